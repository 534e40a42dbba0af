package candlewick.jni;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** A program that trains, with the words and the variables that choose what it computes on. */
final class TrainerProgram {
  /** As the driver's tools number GPUs, and with them those that Spark gives to executors. */
  private static final String ORDER = "CUDA_DEVICE_ORDER";

  static final String VISIBLE = "CUDA_VISIBLE_DEVICES";
  static final String LIBRARIES = "LD_LIBRARY_PATH";

  /** Where the driver keeps what it compiles for the GPU at hand. */
  static final String CACHE = "CUDA_CACHE_PATH";

  private final Path path;
  private final List<String> options;
  private final String gpu;
  private final List<Path> libraries;

  private TrainerProgram(Path path, List<String> options, String gpu, List<Path> libraries) {
    this.path = path;
    this.options = options;
    this.gpu = gpu;
    this.libraries = libraries;
  }

  /** The one for processors. */
  static TrainerProgram onProcessors(Path path) {
    return new TrainerProgram(path, Collections.emptyList(), null, Collections.emptyList());
  }

  /**
   * The one for GPUs.
   *
   * @param gpu address of the one GPU that it sees, by which it is its first
   * @param libraries folders that the loader looks into, after those of the environment
   */
  static TrainerProgram onGpu(Path path, String gpu, List<Path> libraries) {
    return new TrainerProgram(path, Arrays.asList("--device", "cuda:0"), gpu, libraries);
  }

  Path path() {
    return path;
  }

  /** Runs as a trainer of a gang. */
  ProcessBuilder gang() {
    List<String> words = new ArrayList<>(Arrays.asList(path.toString(), "gang"));
    words.addAll(options);
    return prepared(words);
  }

  /** Says what it finds: {@code probe}, {@code --version}. */
  ProcessBuilder saying(String word) {
    return prepared(Arrays.asList(path.toString(), word));
  }

  private ProcessBuilder prepared(List<String> words) {
    ProcessBuilder builder = new ProcessBuilder(words);
    Map<String, String> environment = builder.environment();
    keepAllowed(environment);
    if (gpu != null) {
      environment.put(VISIBLE, gpu);
      environment.putIfAbsent(ORDER, "PCI_BUS_ID");
      if (!environment.containsKey(CACHE)) {
        keepCompiled(environment);
      }
    }
    if (!libraries.isEmpty()) {
      List<String> folders = new ArrayList<>();
      String given = environment.get(LIBRARIES);
      if (given != null && !given.isEmpty()) {
        folders.add(given);
      }
      for (Path folder : libraries) {
        folders.add(folder.toString());
      }
      environment.put(LIBRARIES, String.join(":", folders));
    }
    return builder;
  }

  /**
   * Names a folder beside the program: the driver's own would be in a HOME that a trainer does not
   * see, so that each would compile its kernels anew.
   */
  private void keepCompiled(Map<String, String> environment) {
    Path cache = path.toAbsolutePath().resolveSibling("cuda-cache");
    try {
      PrivateFolder.make(cache);
    } catch (IOException | UnsupportedOperationException e) {
      // Where nothing can be written it starts more slowly, no more.
      return;
    }
    environment.put(CACHE, cache.toString());
  }

  /**
   * What a trainer may see of the environment; an allow-list, since a JVM's may hold credentials.
   */
  static void keepAllowed(Map<String, String> environment) {
    environment
        .keySet()
        .removeIf(
            name ->
                !(name.equals("PATH")
                    || name.equals("LANG")
                    || name.equals("TZ")
                    || name.equals(LIBRARIES)
                    || name.equals("RUST_LOG")
                    || name.startsWith("CUDA_")));
  }

  /** Starts it as a trainer of a gang. */
  Process start() throws IOException {
    return gang().start();
  }
}
