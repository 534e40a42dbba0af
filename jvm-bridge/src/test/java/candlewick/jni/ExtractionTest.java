package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Extraction from a jar, here a folder with the real library and a program that answers --version.
 */
class ExtractionTest {
  private static final String RESOURCES = NativeLibrary.RESOURCES + NativeLibrary.platform();

  @TempDir Path temp;
  private Path jar;

  @BeforeEach
  void writeJar() throws IOException {
    jar = temp.resolve("jar");
    Path files = Files.createDirectories(jar.resolve(RESOURCES));
    Path built = Paths.get(System.getProperty(NativeLibrary.DIR_PROPERTY));
    Files.copy(built.resolve(NativeLibrary.LIBRARY), files.resolve(NativeLibrary.LIBRARY));
    String script = "#!/bin/sh\necho candlewick-trainer 0.0.0\n";
    Files.write(files.resolve(NativeLibrary.TRAINER), script.getBytes(StandardCharsets.UTF_8));
    StringBuilder sums = new StringBuilder();
    for (String name : new String[] {NativeLibrary.LIBRARY, NativeLibrary.TRAINER}) {
      sums.append(Extraction.sumOf(files.resolve(name))).append("  ").append(name).append('\n');
    }
    Files.write(files.resolve("SHA256SUMS"), sums.toString().getBytes(StandardCharsets.UTF_8));
  }

  private Path extract(Path... bases) throws IOException {
    try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null)) {
      return new Extraction(loader, RESOURCES).extract(Arrays.asList(bases));
    }
  }

  @Test
  void extractsOnceIntoAPrivateFolderNamedByContent() throws IOException {
    Path folder = extract(temp.resolve("new/base"));
    assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)));
    assertEquals(temp.resolve("new/base/candlewick-" + PrivateFolder.uid()), folder.getParent());
    Path library = folder.resolve(NativeLibrary.LIBRARY);
    Object first = Files.getAttribute(library, "unix:ino");
    assertEquals(folder, extract(temp.resolve("new/base")));
    assertEquals(first, Files.getAttribute(library, "unix:ino"), "not written again");
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(2, files.count(), "no temporary file is left");
    }
  }

  @Test
  void aCorruptFileIsExtractedAgain() throws IOException {
    Path library = extract(temp.resolve("base")).resolve(NativeLibrary.LIBRARY);
    byte[] good = Files.readAllBytes(library);
    byte[] bad = good.clone();
    bad[bad.length / 2] ^= 1;
    Files.write(library, bad);
    extract(temp.resolve("base"));
    assertArrayEquals(good, Files.readAllBytes(library));
    Files.write(library, new byte[0]);
    extract(temp.resolve("base"));
    assertArrayEquals(good, Files.readAllBytes(library));
  }

  @Test
  void aJarWhoseBytesAreNotThoseOfItsSumsLeavesNothing() throws IOException {
    Path library = jar.resolve(RESOURCES).resolve(NativeLibrary.LIBRARY);
    Files.write(library, new byte[] {1});
    Path base = temp.resolve("base");
    CandlewickException e = assertThrows(CandlewickException.class, () -> extract(base));
    assertTrue(e.getMessage().contains("are not those of the jar"), e.getMessage());
    try (Stream<Path> files = Files.walk(base)) {
      assertTrue(files.noneMatch(Files::isRegularFile));
    }
  }

  @Test
  void manyThreadsMayExtractAtOnce() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(6);
    try {
      CountDownLatch start = new CountDownLatch(1);
      List<Future<Path>> folders = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        Callable<Path> task =
            () -> {
              start.await();
              return extract(temp.resolve("base"));
            };
        folders.add(threads.submit(task));
      }
      start.countDown();
      Path one = folders.get(0).get();
      for (Future<Path> folder : folders) {
        assertEquals(one, folder.get());
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void afolderOfNoUseIsSkipped() throws IOException {
    Path file = Files.write(temp.resolve("file"), new byte[] {1});
    Path open = Files.createDirectories(temp.resolve("open/candlewick-" + PrivateFolder.uid()));
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
    Path folder = extract(file, temp.resolve("open"), temp.resolve("good"));
    assertTrue(folder.startsWith(temp.resolve("good")), folder.toString());
  }

  @Test
  void aBaseThatEverybodyMayWriteNeedsTheStickyBit() throws Exception {
    Path shared = Files.createDirectories(temp.resolve("shared"));
    assertEquals(0, new ProcessBuilder("chmod", "0777", shared.toString()).start().waitFor());
    CandlewickException e = assertThrows(CandlewickException.class, () -> extract(shared));
    assertTrue(e.getMessage().contains("has no sticky bit"), e.getMessage());
    assertEquals(0, new ProcessBuilder("chmod", "1777", shared.toString()).start().waitFor());
    assertTrue(extract(shared).startsWith(shared));
  }

  @Test
  void aProbeThatNeitherSpeaksNorEndsHasADeadline() throws IOException {
    Path program = program("exec sleep 1000\n");
    IOException e = assertThrows(IOException.class, () -> Probe.run(program, 1));
    assertTrue(e.getMessage().contains("did not end within 1 s"), e.getMessage());
  }

  @Test
  void aProbeSeesNoMoreOfTheEnvironmentThanATrainer() throws IOException {
    // HOME is in the environment of this JVM and not on the list; the shell adds PWD and the like
    // itself.
    Path program =
        program("test -z \"$HOME\" && echo candlewick-trainer 0 || echo HOME is $HOME\n");
    Probe.run(program, 20);
  }

  @Test
  void aCopyForASecondLoaderIsCheckedAndRemoved() throws IOException {
    Path temporary = Paths.get(System.getProperty("java.io.tmpdir"));
    String name = "libcandlewick_native-" + java.util.UUID.randomUUID() + ".so";
    Path built = Paths.get(System.getProperty(NativeLibrary.DIR_PROPERTY));
    NativeLibrary.loadCopy(built.resolve(NativeLibrary.LIBRARY), name);
    try (Stream<Path> folders = Files.list(temporary)) {
      assertTrue(
          folders
              .filter(f -> f.getFileName().toString().startsWith("candlewick-copy"))
              .noneMatch(f -> Files.exists(f.resolve(name))));
    }
  }

  private Path program(String body) throws IOException {
    Path program = temp.resolve("program-" + java.util.UUID.randomUUID());
    Files.write(program, ("#!/bin/sh\n" + body).getBytes(StandardCharsets.UTF_8));
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
    return program;
  }

  @Test
  void aProgramThatCannotRunSkipsTheFolderAndAllFailuresAreNamed() throws IOException {
    Path trainer = jar.resolve(RESOURCES).resolve(NativeLibrary.TRAINER);
    Files.write(trainer, "#!/bin/sh\nexit 3\n".getBytes(StandardCharsets.UTF_8));
    Path sums = jar.resolve(RESOURCES).resolve("SHA256SUMS");
    String line = Extraction.sumOf(trainer) + "  " + NativeLibrary.TRAINER + "\n";
    Files.write(sums, line.getBytes(StandardCharsets.UTF_8));
    Path one = temp.resolve("one");
    CandlewickException e =
        assertThrows(CandlewickException.class, () -> extract(one, temp.resolve("two")));
    assertTrue(e.getMessage().contains(one.toString()), e.getMessage());
    assertTrue(e.getMessage().contains("ended with status 3"), e.getMessage());
    assertTrue(e.getMessage().contains("-Dcandlewick.native.cacheDir"), e.getMessage());
  }

  @Test
  void aJarWithoutTheFilesSaysSo() throws IOException {
    try (URLClassLoader empty = new URLClassLoader(new URL[0], null)) {
      Extraction extraction = new Extraction(empty, RESOURCES);
      CandlewickException e =
          assertThrows(
              CandlewickException.class, () -> extraction.extract(Collections.singletonList(temp)));
      assertTrue(e.getMessage().contains("no native files for this platform"), e.getMessage());
      assertTrue(e.getMessage().contains("it has none at all"), e.getMessage());
    }
  }

  @Test
  void aJarForAnotherProcessorNamesWhatItHas() throws IOException {
    try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null)) {
      Extraction extraction = new Extraction(loader, NativeLibrary.RESOURCES + "linux/riscv64");
      CandlewickException e =
          assertThrows(
              CandlewickException.class, () -> extraction.extract(Collections.singletonList(temp)));
      assertTrue(e.getMessage().contains("linux/riscv64/SHA256SUMS is missing"), e.getMessage());
      String held = "it has those of " + NativeLibrary.platform() + ".";
      assertTrue(e.getMessage().contains(held), e.getMessage());
      assertTrue(e.getMessage().contains("Linux with x86_64 or aarch64"), e.getMessage());
    }
  }

  @Test
  void aProcessorHasOneFolderUnderAllOfItsNames() {
    assertEquals("linux/x86_64", NativeLibrary.platform("Linux", "amd64"));
    assertEquals("linux/x86_64", NativeLibrary.platform("Linux", "x86_64"));
    assertEquals("linux/aarch64", NativeLibrary.platform("Linux", "aarch64"));
    assertEquals("linux/aarch64", NativeLibrary.platform("Linux", "arm64"));
    assertEquals("mac_os_x/aarch64", NativeLibrary.platform("Mac OS X", "aarch64"));
  }

  @Test
  void whatKeptTheFilesFromBeingExtractedMayPass() throws Exception {
    Path file = Files.write(temp.resolve("file"), new byte[] {1});
    Map<String, String> before = new HashMap<>();
    String[] folders = {NativeLibrary.CACHE_DIR_PROPERTY, "java.io.tmpdir", "user.home"};
    for (String name : folders) {
      before.put(name, System.setProperty(name, file.toString()));
    }
    before.put(NativeLibrary.DIR_PROPERTY, System.clearProperty(NativeLibrary.DIR_PROPERTY));
    URL classes = NativeLibrary.class.getProtectionDomain().getCodeSource().getLocation();
    URL[] urls = {classes, jar.toUri().toURL()};
    try (URLClassLoader other = new URLClassLoader(urls, null)) {
      Method load = Class.forName(NativeLibrary.class.getName(), true, other).getMethod("load");
      Throwable refused =
          assertThrows(java.lang.reflect.InvocationTargetException.class, () -> load.invoke(null))
              .getCause();
      assertTrue(refused.getMessage().contains("no folder can hold"), refused.getMessage());
      System.setProperty(NativeLibrary.CACHE_DIR_PROPERTY, temp.resolve("room").toString());
      load.invoke(null);
    } finally {
      before.forEach(
          (name, value) -> {
            if (value == null) {
              System.clearProperty(name);
            } else {
              System.setProperty(name, value);
            }
          });
    }
  }

  @Test
  void aSecondClassLoaderLoadsTheLibraryToo() throws Exception {
    NativeLibrary.load();
    URL classes = NativeLibrary.class.getProtectionDomain().getCodeSource().getLocation();
    try (URLClassLoader other = new URLClassLoader(new URL[] {classes}, null)) {
      Class<?> type = Class.forName("candlewick.jni.Native", true, other);
      assertNotEquals(Native.class, type);
      Method version = type.getMethod("version");
      assertEquals(Native.version(), version.invoke(null));
      // Exceptions are those of the loader that calls.
      Throwable thrown =
          assertThrows(
                  java.lang.reflect.InvocationTargetException.class,
                  () -> type.getMethod("panic", String.class).invoke(null, "x"))
              .getCause();
      assertEquals("candlewick.jni.NativePanicException", thrown.getClass().getName());
      assertEquals(other, thrown.getClass().getClassLoader());
    }
    Path built = Paths.get(System.getProperty(NativeLibrary.DIR_PROPERTY));
    try (Stream<Path> files = Files.list(built)) {
      assertTrue(
          files.noneMatch(f -> f.getFileName().toString().startsWith("libcandlewick_native-")));
    }
  }
}
