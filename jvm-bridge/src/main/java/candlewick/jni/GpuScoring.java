package candlewick.jni;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The library that scores on GPUs, on this machine: where it lies, and what a GPU, its driver and
 * CUDA's libraries say before a model is put there. The trainer for GPUs, which lies beside it, is
 * asked: it is linked with the same libraries, and ends where this JVM must not.
 */
public final class GpuScoring {
  /** GPUs of which all is well, by address. */
  private static final Map<String, GpuScoring> READY = new HashMap<>();

  private final Path library;
  private final List<String> folders;

  private GpuScoring(Path library, List<String> folders) {
    this.library = library;
    this.folders = folders;
  }

  /**
   * Whether this JVM has the artifact candlewick-cuda, or a folder that {@code
   * -Dcandlewick.native.dir} names and that holds its files.
   *
   * @return true if it has
   */
  public static boolean isThere() {
    return GpuTrainer.isThere();
  }

  /**
   * What a model needs to score on a GPU of this machine.
   *
   * @param gpu address of the GPU, as Spark has it
   * @param pythons interpreters among whose packages CUDA's libraries are looked for where the
   *     system has none
   * @return where the library lies, and what it needs
   * @throws InvalidParameterException where the artifact, the driver, the GPU or a library is not
   *     there, with what to do
   */
  public static synchronized GpuScoring on(String gpu, List<String> pythons) {
    GpuScoring known = READY.get(gpu);
    if (known != null && Files.isRegularFile(known.library)) {
      return known;
    }
    try {
      GpuTrainer.probe(gpu, pythons);
    } catch (InvalidParameterException e) {
      // What is wrong is the same for both, and what turns it off is not.
      String told = e.getMessage().replace("set device to", "set scoreDevice to");
      throw new InvalidParameterException(told);
    }
    GpuScoring found = beside(GpuTrainer.path());
    READY.put(gpu, found);
    return found;
  }

  /** The library of the artifact that holds this program. */
  static GpuScoring beside(Path program) {
    Path library = program.resolveSibling(NativeLibrary.SCORE_GPU);
    if (!Files.isRegularFile(library)) {
      throw new InvalidParameterException(
          "the library that scores on GPUs is not there: "
              + program.getParent()
              + " holds no "
              + NativeLibrary.SCORE_GPU
              + "; use the jar candlewick-cuda of this version, or set scoreDevice to \"cpu\"");
    }
    List<String> folders = new ArrayList<>();
    for (Path folder : GpuTrainer.libraries()) {
      folders.add(folder.toString());
    }
    return new GpuScoring(library, Collections.unmodifiableList(folders));
  }

  /**
   * Where the library lies.
   *
   * @return its path on the local disk
   */
  public String library() {
    return library.toString();
  }

  /**
   * Folders of CUDA's libraries that the loader does not know.
   *
   * @return their paths; none where it finds all by itself
   */
  public List<String> folders() {
    return folders;
  }
}
