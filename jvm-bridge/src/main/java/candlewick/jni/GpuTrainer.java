package candlewick.jni;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The trainer for GPUs on this machine: whether it is there, and what it says of the driver and the
 * GPUs, before one is started to train.
 */
public final class GpuTrainer {
  private static final int SECONDS = 60;

  /** What the loader says where a library is missing. */
  private static final Pattern MISSING =
      Pattern.compile("error while loading shared libraries: ([^:]+): cannot open shared object");

  private static final Pattern OLD_SYSTEM =
      Pattern.compile("version `(GLIBC\\w*_[\\d.]+)' not found");

  /** The driver's own library, which no package brings. */
  private static final String DRIVER = "libcuda.so.1";

  // Found once for each class loader: folders that the loader has to be told of.
  private static volatile List<Path> libraries = Collections.emptyList();

  // Where it lies; guarded by the class.
  private static Path folder;

  private GpuTrainer() {}

  /**
   * Whether this JVM has the program: in the artifact candlewick-cuda, or in the folder that {@code
   * -Dcandlewick.native.dir} names.
   *
   * @return true if it has
   */
  public static boolean isThere() {
    return NativeLibrary.givenFolder(NativeLibrary.TRAINER_GPU) != null || loader() != null;
  }

  /** The program; fails where it is not there. */
  static Path path() {
    synchronized (GpuTrainer.class) {
      if (folder == null || !Files.isRegularFile(folder.resolve(NativeLibrary.TRAINER_GPU))) {
        Path given = NativeLibrary.givenFolder(NativeLibrary.TRAINER_GPU);
        folder = given != null ? given : extracted();
      }
      return folder.resolve(NativeLibrary.TRAINER_GPU);
    }
  }

  private static Path extracted() {
    ClassLoader loader = loader();
    if (loader == null) {
      throw new InvalidParameterException(
          "the trainer for GPUs is not there: no candlewick-cuda jar for "
              + NativeLibrary.platform()
              + " is on the class path, and -D"
              + NativeLibrary.DIR_PROPERTY
              + " names no folder that holds "
              + NativeLibrary.TRAINER_GPU
              + "; add the jar to spark.jars (pip install candlewick[cuda] brings it), or set device"
              + " to \"cpu\"");
    }
    return extraction(loader).extract(NativeLibrary.candidates());
  }

  /**
   * Extraction of the artifact. Without CUDA its program starts and ends badly, which is enough.
   */
  static Extraction extraction(ClassLoader loader) {
    return new Extraction(
        loader,
        NativeLibrary.RESOURCES + NativeLibrary.platform(),
        NativeLibrary.SUMS_GPU,
        folder -> Probe.starts(folder.resolve(NativeLibrary.TRAINER_GPU)));
  }

  /** The loader that has the artifact: its jar may have been added to another one. */
  private static ClassLoader loader() {
    String name = NativeLibrary.RESOURCES + NativeLibrary.platform() + "/" + NativeLibrary.SUMS_GPU;
    ClassLoader own = GpuTrainer.class.getClassLoader();
    ClassLoader context = Thread.currentThread().getContextClassLoader();
    for (ClassLoader loader : Arrays.asList(own, context)) {
      if (loader != null && loader.getResource(name) != null) {
        return loader;
      }
    }
    return null;
  }

  /**
   * Asks the trainer, the driver and the GPU at an address whether they can train.
   *
   * @param gpu address of the GPU, as Spark has it
   * @param pythons interpreters among whose packages CUDA's libraries are looked for where the
   *     system has none
   * @return a line of JSON: {@code {"cuda", "gpus", "version"}}
   * @throws InvalidParameterException where they cannot, with what to do
   */
  public static String probe(String gpu, List<String> pythons) {
    return probe(path(), gpu, pythons);
  }

  static String probe(Path program, String gpu, List<String> pythons) {
    Spoken spoken = ask(program, gpu, libraries);
    if (MISSING.matcher(spoken.error).find() && !DRIVER.equals(missing(spoken))) {
      List<Path> found = CudaLibraries.find(pythons);
      if (!found.isEmpty()) {
        spoken = ask(program, gpu, found);
        if (!MISSING.matcher(spoken.error).find() || DRIVER.equals(missing(spoken))) {
          libraries = found;
        }
      }
    }
    if (spoken.status == 0) {
      return spoken.out.trim();
    }
    throw new InvalidParameterException(refusal(program, spoken, pythons));
  }

  /** The program with the libraries that a probe has found. */
  static TrainerProgram on(Path program, String gpu) {
    return TrainerProgram.onGpu(program, gpu, libraries);
  }

  /** Folders that a probe has found, which the loader has to be told of. */
  static List<Path> libraries() {
    return libraries;
  }

  private static Spoken ask(Path program, String gpu, List<Path> folders) {
    try {
      return Spoken.of(TrainerProgram.onGpu(program, gpu, folders).saying("probe"), SECONDS);
    } catch (IOException e) {
      throw new RetryableException("the trainer for GPUs cannot be asked: " + e.getMessage());
    }
  }

  private static String missing(Spoken spoken) {
    Matcher found = MISSING.matcher(spoken.error);
    return found.find() ? found.group(1) : "";
  }

  private static String refusal(Path program, Spoken spoken, List<String> pythons) {
    String missing = missing(spoken);
    if (missing.equals(DRIVER)) {
      return "this host has no NVIDIA driver: "
          + DRIVER
          + " is not there; install driver 580 or newer (in a container: the NVIDIA container"
          + " toolkit gives it the host's), or set device to \"cpu\"";
    }
    if (!missing.isEmpty()) {
      return "the trainer for GPUs needs CUDA 13's libraries, and "
          + missing
          + " is not there: neither by the loader's paths and LD_LIBRARY_PATH nor among the packages"
          + " of "
          + (pythons.isEmpty() ? "a Python" : String.join(", ", pythons))
          + "; install CUDA 13 on the executors' hosts, or with pip nvidia-cuda-runtime,"
          + " nvidia-cublas and nvidia-curand (PyTorch for CUDA 13 brings them), or name their"
          + " folder by spark.executorEnv.LD_LIBRARY_PATH, or set device to \"cpu\"";
    }
    Matcher system = OLD_SYSTEM.matcher(spoken.error);
    if (system.find()) {
      return "the trainer for GPUs was built on a newer system: it needs "
          + system.group(1)
          + ", which the C library of this host lacks; build it there (`make gpu`), or set device to"
          + " \"cpu\"";
    }
    String said = spoken.error.trim();
    // Its own words follow its name.
    String name = NativeLibrary.TRAINER_GPU + ": ";
    int own = said.indexOf(name);
    return own >= 0
        ? said.substring(own + name.length())
        : program + " probe ended with status " + spoken.status + " and said: " + said;
  }
}
