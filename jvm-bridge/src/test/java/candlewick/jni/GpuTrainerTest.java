package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the trainer for GPUs says of a host, with programs that say what the loader and it would.
 */
class GpuTrainerTest {
  private static final String LOADER = "error while loading shared libraries: ";
  private static final String ABSENT =
      ": cannot open shared object file: No such file or directory' >&2; exit 127\n";

  @TempDir Path temp;

  private Path script(String name, String body) throws IOException {
    Path script = temp.resolve(name);
    Files.write(script, ("#!/bin/sh\n" + body).getBytes(StandardCharsets.UTF_8));
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
    return script;
  }

  private static String lacks(String library) {
    return "echo 'candlewick-trainer-gpu: " + LOADER + library + ABSENT;
  }

  private String refused(String body, String... pythons) throws IOException {
    Path program = script("trainer", body);
    return assertThrows(
            InvalidParameterException.class,
            () -> GpuTrainer.probe(program, "0", Arrays.asList(pythons)))
        .getMessage();
  }

  @Test
  void aHostWithoutADriverIsTold() throws IOException {
    String told = refused(lacks("libcuda.so.1"));
    assertTrue(told.contains("this host has no NVIDIA driver"), told);
    assertTrue(told.contains("install driver 580 or newer"), told);
  }

  @Test
  void librariesAreFoundAmongThePackagesOfPython() throws IOException {
    Path packages = temp.resolve("site-packages");
    Path nvidia = Files.createDirectories(packages.resolve("nvidia/cu13/lib"));
    Path torch = Files.createDirectories(packages.resolve("torch/lib"));
    Files.createFile(nvidia.resolve("libcublas.so.13"));
    Files.createDirectories(packages.resolve("nvidia/other/lib"));
    Files.createFile(torch.resolve("libtorch.so"));
    assertEquals(Collections.singletonList(nvidia), CudaLibraries.in(packages));
    Path python = script("python", "echo\necho " + packages + "\n");
    Path program =
        script(
            "trainer",
            "case \"$LD_LIBRARY_PATH\" in *"
                + nvidia
                + ") echo '{}'; exit 0;; esac\n"
                + lacks("libcublas.so.13"));
    List<String> pythons = Arrays.asList(temp.resolve("no-python").toString(), python.toString());
    assertEquals("{}", GpuTrainer.probe(program, "0", pythons));
    Map<String, String> starts = GpuTrainer.on(program, "3").gang().environment();
    assertTrue(starts.get(TrainerProgram.LIBRARIES).endsWith(nvidia.toString()));
    assertEquals("3", starts.get(TrainerProgram.VISIBLE));
    assertEquals("PCI_BUS_ID", starts.get("CUDA_DEVICE_ORDER"));
  }

  @Test
  void librariesThatAreNowhereAreNamedWithWhatToInstall() throws IOException {
    Path python = script("python", "echo " + temp.resolve("empty") + "\n");
    String told = refused(lacks("libcurand.so.10"), python.toString());
    assertTrue(told.contains("libcurand.so.10 is not there"), told);
    assertTrue(told.contains("among the packages of " + python), told);
    assertTrue(told.contains("nvidia-cublas") && told.contains("LD_LIBRARY_PATH"), told);
  }

  @Test
  void aDriverThatIsMissingIsToldEvenWhereTheLoaderMissesAnotherLibraryFirst() throws IOException {
    Path packages = temp.resolve("site-packages");
    Path lib = Files.createDirectories(packages.resolve("nvidia/cu13/lib"));
    Files.createFile(lib.resolve("libcublas.so.13"));
    Path python = script("python", "echo " + packages + "\n");
    String body =
        "case \"$LD_LIBRARY_PATH\" in *"
            + lib
            + ") "
            + lacks("libcuda.so.1").trim()
            + ";; esac\n"
            + lacks("libcublas.so.13");
    String told = refused(body, python.toString());
    assertTrue(told.contains("this host has no NVIDIA driver"), told);
  }

  @Test
  void itsOwnWordsArePassedOn() throws IOException {
    String told = refused("echo 'candlewick-trainer-gpu: the driver is too old' >&2; exit 2\n");
    assertEquals("the driver is too old", told);
    String other = refused("echo 'Killed' >&2; exit 9\n");
    assertTrue(other.contains("probe ended with status 9 and said: Killed"), other);
    String old = refused("echo \"x: version \\`GLIBC_2.39' not found\" >&2; exit 1\n");
    assertTrue(old.contains("it needs GLIBC_2.39"), old);
  }

  @Test
  void theOneForProcessorsSeesWhatTheJvmSees() throws IOException {
    TrainerProgram program = TrainerProgram.onProcessors(temp.resolve("trainer"));
    assertEquals(
        Arrays.asList(temp.resolve("trainer").toString(), "gang"), program.gang().command());
    assertFalse(program.gang().environment().containsKey("CUDA_DEVICE_ORDER"));
    assertFalse(program.gang().environment().containsKey(TrainerProgram.CACHE));
    assertFalse(Files.exists(temp.resolve("cuda-cache")));
    assertEquals(
        Arrays.asList("gang", "--device", "cuda:0"),
        TrainerProgram.onGpu(temp.resolve("trainer"), "0", Collections.emptyList())
            .gang()
            .command()
            .subList(1, 4));
  }

  @Test
  void whatTheDriverCompilesIsKeptBesideTheProgram() throws IOException {
    TrainerProgram program =
        TrainerProgram.onGpu(temp.resolve("trainer"), "0", Collections.emptyList());
    for (int time = 0; time < 2; time++) {
      Path cache = Paths.get(program.gang().environment().get(TrainerProgram.CACHE));
      assertEquals(temp.resolve("cuda-cache"), cache);
      assertEquals(
          PosixFilePermissions.fromString("rwx------"), Files.getPosixFilePermissions(cache));
    }
    // Where nothing can be written the driver is left to itself.
    Path nowhere = temp.resolve("absent").resolve("trainer");
    TrainerProgram other = TrainerProgram.onGpu(nowhere, "0", Collections.emptyList());
    assertFalse(other.gang().environment().containsKey(TrainerProgram.CACHE));
  }

  @Test
  void bothArtifactsAreExtractedFromOneClassPath() throws IOException {
    String resources = NativeLibrary.RESOURCES + NativeLibrary.platform();
    Path jar = Files.createDirectories(temp.resolve("jar").resolve(resources));
    Path program = jar.resolve(NativeLibrary.TRAINER_GPU);
    Files.write(program, "#!/bin/sh\nexit 127\n".getBytes(StandardCharsets.UTF_8));
    String line = Extraction.sumOf(program) + "  " + NativeLibrary.TRAINER_GPU + "\n";
    Files.write(jar.resolve(NativeLibrary.SUMS_GPU), line.getBytes(StandardCharsets.UTF_8));
    URL[] urls = {temp.resolve("jar").toUri().toURL()};
    try (URLClassLoader loader = new URLClassLoader(urls, null)) {
      Path folder =
          GpuTrainer.extraction(loader).extract(Collections.singletonList(temp.resolve("base")));
      assertTrue(Files.isExecutable(folder.resolve(NativeLibrary.TRAINER_GPU)));
    }
  }
}
