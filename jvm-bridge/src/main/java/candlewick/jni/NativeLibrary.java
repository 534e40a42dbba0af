package candlewick.jni;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.UUID;

/**
 * Finds and loads the native library, once per class loader.
 *
 * <p>The files come from the jar ({@code candlewick/native/<os>/<arch>/}) and are extracted to the
 * first of these folders that is writable and may run programs: {@code
 * -Dcandlewick.native.cacheDir}, {@code java.io.tmpdir}, {@code ~/.cache}. {@code
 * -Dcandlewick.native.dir} names a folder that holds them already (development).
 *
 * <p>A JVM loads a file for one class loader only. A second loader, such as a notebook that
 * attaches the jar again, gets a hard link (or copy) of its own, whose name is removed at once
 * after loading.
 */
public final class NativeLibrary {
  /** Folder to extract into before all others. */
  public static final String CACHE_DIR_PROPERTY = "candlewick.native.cacheDir";

  /** Folder that already holds the native files. */
  public static final String DIR_PROPERTY = "candlewick.native.dir";

  /** Where the jar has native files: a folder for each platform, such as {@code linux/x86_64}. */
  static final String RESOURCES = "candlewick/native/";

  /**
   * The platforms that Candlewick is built for. A jar holds the files of one of them, or of all.
   */
  static final List<String> PLATFORMS =
      Collections.unmodifiableList(Arrays.asList("linux/x86_64", "linux/aarch64"));

  static final String LIBRARY = "libcandlewick_native.so";
  static final String TRAINER = "candlewick-trainer";

  /** The trainer for GPUs, which the artifact candlewick-cuda holds. */
  static final String TRAINER_GPU = "candlewick-trainer-gpu";

  /** The library that scores on GPUs, which the same artifact holds. */
  static final String SCORE_GPU = "libcandlewick_score_gpu.so";

  /** The list of a jar's files with their checksums; two jars may hold files for one platform. */
  static final String SUMS = "SHA256SUMS";

  static final String SUMS_GPU = "SHA256SUMS-cuda";

  private static Path folder;
  private static boolean loaded;
  private static CandlewickException failure;

  private NativeLibrary() {}

  /**
   * Loads the library unless that is done.
   *
   * @throws CandlewickException if that fails, with what to change. What the linker says holds for
   *     every later call; a file that could not be extracted, on a disk that was full for example,
   *     is tried again
   */
  public static synchronized void load() {
    if (loaded) {
      return;
    }
    if (failure != null) {
      throw new CandlewickException(failure.getMessage(), failure);
    }
    Path library = file(LIBRARY);
    try {
      loadFrom(library);
      loaded = true;
    } catch (CandlewickException e) {
      if (e.getCause() instanceof UnsatisfiedLinkError) {
        failure = e;
      }
      throw e;
    }
  }

  /**
   * The trainer program.
   *
   * @return its path on the local disk
   */
  public static synchronized Path trainerPath() {
    return file(TRAINER);
  }

  /** The folder of the property, where it holds a file. */
  static Path givenFolder(String name) {
    String given = System.getProperty(DIR_PROPERTY);
    if (given == null || given.isEmpty()) {
      return null;
    }
    Path dir = Paths.get(given).toAbsolutePath();
    return Files.isRegularFile(dir.resolve(name)) ? dir : null;
  }

  /** A native file; extracts again where a cleaner of temporary folders has taken it away. */
  private static Path file(String name) {
    if (folder == null || !Files.isRegularFile(folder.resolve(name))) {
      folder = findFolder(name);
    }
    return folder.resolve(name);
  }

  private static Path findFolder(String name) {
    String given = System.getProperty(DIR_PROPERTY);
    if (given != null && !given.isEmpty()) {
      Path dir = Paths.get(given).toAbsolutePath();
      if (!Files.isRegularFile(dir.resolve(name))) {
        throw new CandlewickException(
            "-D"
                + DIR_PROPERTY
                + "="
                + given
                + " holds no "
                + name
                + "; build it or leave the property out");
      }
      return dir;
    }
    ClassLoader loader = NativeLibrary.class.getClassLoader();
    return new Extraction(loader, RESOURCES + platform()).extract(candidates());
  }

  /** This JVM's: {@code linux/x86_64} and the like. */
  static String platform() {
    return platform(System.getProperty("os.name"), System.getProperty("os.arch"));
  }

  /** JVMs have two names for each processor. */
  static String platform(String system, String processor) {
    String os = system.toLowerCase(Locale.ROOT).replace(' ', '_');
    String arch = processor.toLowerCase(Locale.ROOT);
    if (arch.equals("amd64")) {
      arch = "x86_64";
    } else if (arch.equals("arm64")) {
      arch = "aarch64";
    }
    return os + "/" + arch;
  }

  /** Where native files may be extracted, the best first. */
  static List<Path> candidates() {
    List<Path> bases = new ArrayList<>();
    String chosen = System.getProperty(CACHE_DIR_PROPERTY);
    if (chosen != null && !chosen.isEmpty()) {
      bases.add(Paths.get(chosen).toAbsolutePath());
    }
    bases.add(Paths.get(System.getProperty("java.io.tmpdir")).toAbsolutePath());
    bases.add(Paths.get(System.getProperty("user.home"), ".cache").toAbsolutePath());
    return bases;
  }

  private static void loadFrom(Path library) {
    try {
      System.load(library.toString());
    } catch (UnsatisfiedLinkError e) {
      if (e.getMessage() == null || !e.getMessage().contains("another classloader")) {
        throw new CandlewickException("cannot load " + library + ": " + e.getMessage(), e);
      }
      loadUnderOtherName(library);
    }
  }

  private static void loadUnderOtherName(Path library) {
    String name = "libcandlewick_native-" + UUID.randomUUID() + ".so";
    try {
      Path link = library.resolveSibling(name);
      try {
        try {
          Files.createLink(link, library);
        } catch (IOException | UnsupportedOperationException noLinksHere) {
          loadCopy(library, name);
          return;
        }
        System.load(link.toString());
      } finally {
        Files.deleteIfExists(link);
      }
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new CandlewickException(
          "cannot load " + library + " for a second class loader: " + e.getMessage(), e);
    }
  }

  /** Loads a copy that nobody else could write: in a new folder of this user's, checked. */
  static void loadCopy(Path library, String name) throws IOException {
    Path folder = Files.createTempDirectory("candlewick-copy");
    Path copy = folder.resolve(name);
    try {
      Files.copy(library, copy);
      if (!Extraction.sumOf(library).equals(Extraction.sumOf(copy))) {
        throw new IOException("the copy " + copy + " differs from " + library);
      }
      System.load(copy.toString());
    } finally {
      Files.deleteIfExists(copy);
      Files.deleteIfExists(folder);
    }
  }
}
