package candlewick.jni;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * CUDA's libraries among the packages of Python: those of NVIDIA ({@code nvidia/cu13/lib}, {@code
 * nvidia/cublas/lib}) or those that PyTorch brings. Used where the loader finds none by itself.
 */
final class CudaLibraries {
  private static final int SECONDS = 20;
  private static final String ASK =
      "import site, sys; print('\\n'.join([*sys.path, *site.getsitepackages(),"
          + " site.getusersitepackages()]))";

  private static final List<String> NAMES =
      Arrays.asList("libcudart.so", "libcublas.so", "libcublasLt.so", "libcurand.so");

  private CudaLibraries() {}

  /**
   * The folders that have such a library.
   *
   * @param pythons interpreters whose packages are looked at, by name or path; what is none is
   *     passed over
   */
  static List<Path> find(Collection<String> pythons) {
    Set<Path> found = new LinkedHashSet<>();
    for (String python : new LinkedHashSet<>(pythons)) {
      for (Path packages : packages(python)) {
        found.addAll(in(packages));
      }
    }
    return new ArrayList<>(found);
  }

  /** Where an interpreter has packages. */
  private static List<Path> packages(String python) {
    List<Path> folders = new ArrayList<>();
    try {
      Spoken spoken = Spoken.of(new ProcessBuilder(python, "-c", ASK), SECONDS);
      for (String line : spoken.out.split("\n")) {
        if (!line.trim().isEmpty()) {
          folders.add(Paths.get(line.trim()));
        }
      }
    } catch (IOException | InvalidPathException e) {
      // No Python by that name here, or none that answers: it has no libraries for us either.
    }
    return folders;
  }

  /** The folders of one site-packages that have such a library. */
  static List<Path> in(Path packages) {
    List<Path> folders = new ArrayList<>();
    List<Path> candidates = new ArrayList<>();
    for (Path one : children(packages.resolve("nvidia"))) {
      candidates.add(one.resolve("lib"));
    }
    candidates.add(packages.resolve("torch").resolve("lib"));
    for (Path candidate : candidates) {
      if (holdsSome(candidate)) {
        folders.add(candidate);
      }
    }
    return folders;
  }

  private static boolean holdsSome(Path folder) {
    for (Path file : children(folder)) {
      String name = file.getFileName().toString();
      for (String library : NAMES) {
        if (name.startsWith(library)) {
          return true;
        }
      }
    }
    return false;
  }

  private static List<Path> children(Path folder) {
    List<Path> found = new ArrayList<>();
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
        all.forEach(found::add);
      } catch (IOException | java.nio.file.DirectoryIteratorException e) {
        // One that cannot be read holds nothing for us.
      }
    }
    found.sort(null);
    return found;
  }
}
