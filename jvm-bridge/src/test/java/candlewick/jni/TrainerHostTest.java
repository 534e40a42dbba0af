package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Trainer processes, with scripts in the place of the trainer. */
@Timeout(60)
class TrainerHostTest {
  @TempDir Path temp;
  private final String job = UUID.randomUUID().toString();

  @BeforeAll
  static void load() {
    NativeLibrary.load();
  }

  private Path script(String body) throws IOException {
    Path script = temp.resolve("trainer-" + UUID.randomUUID());
    Files.write(script, ("#!/bin/sh\n" + body).getBytes(StandardCharsets.UTF_8));
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
    return script;
  }

  /** Prints its config as the ready line, then lives until its stdin ends. */
  private Path faithful() throws IOException {
    return script("read config\necho \"$config $$\"\nexec cat >/dev/null\n");
  }

  @Test
  void startsOnceAndStops() throws Exception {
    Path program = faithful();
    List<String> configs = Arrays.asList("{\"index\":0}", "{\"index\":1}");
    List<String> lines = TrainerHost.ensure(job, configs, null, program);
    assertEquals(2, lines.size());
    assertTrue(lines.get(0).startsWith("{\"index\":0} "), lines.get(0));
    assertTrue(lines.get(1).startsWith("{\"index\":1} "), lines.get(1));
    assertEquals(lines, TrainerHost.ensure(job, configs, null, program), "idempotent");
    assertTrue(TrainerHost.alive(job));
    assertTrue(TrainerHost.outlives(job, 1));
    assertTrue(TrainerHost.jobIds().contains(job));
    long pid = Long.parseLong(lines.get(0).split(" ")[1]);
    TrainerHost.stop(job);
    TrainerHost.stop(job);
    assertFalse(TrainerHost.alive(job));
    assertFalse(TrainerHost.outlives(job, 60_000));
    awaitEnd(pid);
  }

  @Test
  void anOrderOfOtherTrainersStartsThemBesideTheFirst() throws Exception {
    Path program = faithful();
    List<String> first = Collections.singletonList("{\"trainer\":\"a\"}");
    List<String> second = Arrays.asList("{\"trainer\":\"b\"}", "{\"trainer\":\"c\"}");
    List<String> lines = new ArrayList<>(TrainerHost.ensure(job, first, null, program));
    lines.addAll(TrainerHost.ensure(job, second, null, program));
    String[] starts = {"{\"trainer\":\"a\"} ", "{\"trainer\":\"b\"} ", "{\"trainer\":\"c\"} "};
    assertEquals(starts.length, lines.size());
    for (int i = 0; i < starts.length; i++) {
      assertTrue(lines.get(i).startsWith(starts[i]), lines.toString());
    }
    assertEquals(lines.subList(0, 1), TrainerHost.ensure(job, first, null, program));
    assertEquals(lines.subList(1, 3), TrainerHost.ensure(job, second, null, program));
    TrainerHost.stop(job);
    for (String line : lines) {
      awaitEnd(Long.parseLong(line.split(" ")[1]));
    }
  }

  @Test
  void oneThatDoesNotStartBesideOthersLeavesThemAtWork() throws Exception {
    List<String> first = Collections.singletonList("{\"trainer\":\"a\"}");
    List<String> second = Collections.singletonList("{\"trainer\":\"b\"}");
    String line = TrainerHost.ensure(job, first, null, faithful()).get(0);
    Path failing = script("read config\necho 'no memory' >&2\nexit 3\n");
    assertThrows(RetryableException.class, () -> TrainerHost.ensure(job, second, null, failing));
    assertTrue(TrainerHost.alive(job), "the first one is at work");
    assertEquals(Collections.singletonList(line), TrainerHost.ensure(job, first, null, failing));
    TrainerHost.stop(job);
    awaitEnd(Long.parseLong(line.split(" ")[1]));
  }

  @Test
  void anErrorDuringTheStartLeavesNoChild() throws IOException {
    Path program = faithful();
    List<TrainerChild> children = new ArrayList<>();
    TrainerHost.Starter starter =
        config -> {
          if (!children.isEmpty()) {
            throw new OutOfMemoryError("unable to create native thread");
          }
          children.add(TrainerChild.start(TrainerProgram.onProcessors(program), config, null));
          return children.get(0);
        };
    List<String> configs = Arrays.asList("{\"index\":0}", "{\"index\":1}");
    assertThrows(OutOfMemoryError.class, () -> TrainerHost.ensure(job, configs, starter, 30));
    assertFalse(TrainerHost.alive(job));
    assertFalse(children.get(0).process().isAlive());
  }

  @Test
  void aChildForWhichThereAreNoThreadsIsEnded() throws Exception {
    // No exec: its command line stays the script's.
    Path program = script("read config\nread more\n");
    AtomicInteger made = new AtomicInteger();
    assertThrows(
        OutOfMemoryError.class,
        () ->
            TrainerChild.start(
                TrainerProgram.onProcessors(program),
                "{}",
                null,
                (name, body) -> {
                  if (made.incrementAndGet() == 3) {
                    throw new OutOfMemoryError("unable to create native thread");
                  }
                  return TrainerChild.daemon(name, body);
                },
                System::nanoTime));
    for (ProcessHandle child : ProcessHandle.current().children().toArray(ProcessHandle[]::new)) {
      if (child.info().commandLine().orElse("").contains(program.toString())) {
        awaitEnd(child);
      }
    }
  }

  @Test
  void oneThatDiesBeforeItListensIsAnErrorWithItsLastWords() throws IOException {
    Path program = script("echo no port left >&2\nexit 7\n");
    RetryableException e =
        assertThrows(
            RetryableException.class,
            () -> TrainerHost.ensure(job, Collections.singletonList("{}"), null, program));
    assertTrue(e.getMessage().contains("status 7"), e.getMessage());
    assertTrue(e.getMessage().contains("no port left"), e.getMessage());
    assertFalse(TrainerHost.alive(job));
    // And the next attempt starts anew.
    TrainerHost.ensure(job, Collections.singletonList("{}"), null, faithful());
    assertTrue(TrainerHost.alive(job));
    TrainerHost.stop(job);
  }

  @Test
  void itsLastWordsAreReadWhereItNeverReadItsConfiguration() throws IOException {
    // More than a pipe holds: writing it must fail, before the reason is written.
    char[] blanks = new char[1 << 20];
    Arrays.fill(blanks, ' ');
    String config = "{" + new String(blanks) + "}";
    Path program = script("exec <&-\necho no port left >&2\nexit 7\n");
    RetryableException e =
        assertThrows(
            RetryableException.class,
            () -> TrainerHost.ensure(job, Collections.singletonList(config), null, program));
    assertTrue(e.getMessage().contains("status 7"), e.getMessage());
    assertTrue(e.getMessage().contains("no port left"), e.getMessage());
  }

  @Test
  void oneThatHangsBeforeItReadsItsWeightsIsKilledAtTheDeadline() throws IOException {
    // Larger than a pipe: writing them cannot end.
    List<byte[]> weights = Collections.singletonList(new byte[1 << 20]);
    Path program = script("echo $$ > " + temp.resolve("pid") + "\nexec sleep 1000\n");
    RetryableException e =
        assertThrows(
            RetryableException.class,
            () -> TrainerHost.ensure(job, Collections.singletonList("{}"), weights, program, 1));
    assertTrue(e.getMessage().contains("did not listen within 1 s"), e.getMessage());
    // What a pipe holds it may have taken.
    assertTrue(e.getMessage().contains("bytes"), e.getMessage());
    assertTrue(e.getMessage().contains("launchTimeout does not"), e.getMessage());
    assertFalse(TrainerHost.alive(job));
  }

  @Test
  void anInterruptReachesAStartThatWaitsForAChildThatDoesNotRead() throws Exception {
    Path there = temp.resolve("there");
    Path program =
        script("echo $$ > " + there + ".$$\nmv " + there + ".$$ " + there + "\nexec sleep 1000\n");
    CompletableFuture<Throwable> outcome = new CompletableFuture<>();
    Thread starter = starter(program, Collections.singletonList(new byte[1 << 20]), outcome);
    long pid = pidIn(there);
    // A child that has not answered is in the list. It may say that it is there before its host has
    // put it there; the
    // test's own deadline bounds the wait.
    while (!TrainerHost.alive(job)) {
      assertFalse(outcome.isDone(), "the start ended before the child was in the list");
      Thread.sleep(5);
    }
    starter.interrupt();
    assertInstanceOf(CancelledException.class, outcome.get(30, TimeUnit.SECONDS));
    awaitEnd(pid);
  }

  @Test
  void aStopDuringTheStartLeavesNoChild() throws Exception {
    // The first child answers at once; the second says that it is there and hangs.
    Path there = temp.resolve("there");
    Path program =
        script(
            "read config\ncase \"$config\" in *0*) echo ready; exec cat >/dev/null;; esac\n"
                + "echo $$ > "
                + there
                + ".part\nmv "
                + there
                + ".part "
                + there
                + "\nexec sleep 1000\n");
    CompletableFuture<Throwable> outcome = new CompletableFuture<>();
    starter(program, null, outcome);
    long pid = pidIn(there);
    TrainerHost.stop(job);
    Throwable thrown = outcome.get(30, TimeUnit.SECONDS);
    assertInstanceOf(CancelledException.class, thrown, String.valueOf(thrown));
    awaitEnd(pid);
    assertFalse(TrainerHost.alive(job));
  }

  @Test
  void routineLinesAreShownToWhoeverAsksForThem() {
    String routine = "2026-01-01T00:00:00.000000Z DEBUG candlewick_trainer: step 3";
    assertFalse(TrainerChild.isShown(routine, false));
    assertTrue(TrainerChild.isShown(routine, true));
    assertTrue(
        TrainerChild.isShown("2026-01-01T00:00:00.000000Z  WARN candlewick_trainer: slow", false));
  }

  @Test
  void aFrozenTrainerIsKilledByStop() throws Exception {
    Path program = faithful();
    String line = TrainerHost.ensure(job, Collections.singletonList("{}"), null, program).get(0);
    long pid = Long.parseLong(line.split(" ")[1]);
    assertEquals(0, new ProcessBuilder("sh", "-c", "kill -STOP " + pid).start().waitFor());
    TrainerHost.stop(job);
    awaitEnd(pid);
  }

  /** Starts trainers in another thread, which may be interrupted. */
  private Thread starter(Path program, List<byte[]> weights, CompletableFuture<Throwable> outcome) {
    Thread thread =
        new Thread(
            () -> {
              try {
                List<String> configs = Arrays.asList("{\"index\":0}", "{\"index\":1}");
                outcome.completeExceptionally(
                    new AssertionError(
                        TrainerHost.ensure(job, configs, weights, program).toString()));
              } catch (Throwable e) {
                outcome.complete(e);
              }
            });
    thread.start();
    return thread;
  }

  private static void awaitEnd(long pid) throws Exception {
    Optional<ProcessHandle> process = ProcessHandle.of(pid);
    if (process.isPresent()) {
      awaitEnd(process.get());
    }
  }

  /** The test's own deadline bounds the wait: it interrupts get, and would not interrupt join. */
  private static void awaitEnd(ProcessHandle process) throws Exception {
    process.onExit().get();
  }

  /**
   * The process id that a script writes when it is there; the test's own deadline bounds the wait.
   */
  private static long pidIn(Path file) throws Exception {
    while (!Files.exists(file)) {
      Thread.sleep(5);
    }
    return Long.parseLong(new String(Files.readAllBytes(file), StandardCharsets.UTF_8).trim());
  }

  @Test
  void oneThatIgnoresTheEndOfItsStdinIsKilled() throws IOException {
    Path program = script("read config\necho ready\ntrap '' TERM\nwhile true; do sleep 1; done\n");
    TrainerHost.ensure(job, Collections.singletonList("{}"), null, program);
    TrainerHost.stop(job);
    assertFalse(TrainerHost.alive(job));
  }

  @Test
  void theEnvironmentIsAnAllowList() throws IOException {
    Map<String, String> environment = new HashMap<>();
    for (String name :
        new String[] {
          "PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "RUST_LOG", "CUDA_VISIBLE_DEVICES"
        }) {
      environment.put(name, "kept");
    }
    environment.put("AWS_SECRET_ACCESS_KEY", "x");
    environment.put("LD_PRELOAD", "x");
    TrainerProgram.keepAllowed(environment);
    assertEquals(6, environment.size());
    assertFalse(environment.containsValue("x"));
  }

  @Test
  void whereTwoEndAtOnceTheEndOfEachIsNews() throws Exception {
    Path program = script("read config\necho ready\nread end\nexit 3\n");
    List<TrainerChild> children = new ArrayList<>();
    TrainerHost.Starter starter =
        config -> {
          TrainerChild child =
              TrainerChild.start(
                  TrainerProgram.onProcessors(program),
                  config,
                  null,
                  // Who reports their ends comes late.
                  (name, body) ->
                      TrainerChild.daemon(name, name.endsWith("exit") ? () -> {} : body),
                  System::nanoTime);
          children.add(child);
          return child;
        };
    List<String> configs = Arrays.asList("{\"index\":0}", "{\"index\":1}");
    TrainerHost.ensure(job, configs, starter, 30);
    for (TrainerChild child : children) {
      child.process().getOutputStream().close();
      assertEquals(3, child.process().waitFor());
    }
    for (TrainerChild child : children) {
      assertTrue(TrainerHost.ended(child.process()), "nobody stopped it");
    }
    // Then the job is forgotten: the same order starts trainers.
    TrainerHost.ensure(job, configs, starter, 30);
    assertEquals(4, children.size());
    TrainerHost.stop(job);
    for (TrainerChild child : children) {
      assertFalse(TrainerHost.ended(child.process()), "it was stopped, or has been looked at");
    }
  }

  @Test
  void weightsThatCannotBeFetchedAreNoEndOfTheChild() throws IOException {
    Iterable<byte[]> weights =
        () ->
            new Iterator<byte[]>() {
              @Override
              public boolean hasNext() {
                return true;
              }

              @Override
              public byte[] next() {
                throw TrainerHostTest.<RuntimeException>sneaky(
                    new IOException("Failed to get broadcast_5"));
              }
            };
    RetryableException e =
        assertThrows(
            RetryableException.class,
            () ->
                TrainerHost.ensure(
                    job, Collections.singletonList("{}"), weights, faithfulToWeights(), 2));
    assertTrue(e.getMessage().contains("weights to start from"), e.getMessage());
    assertTrue(e.getMessage().contains("Failed to get broadcast_5"), e.getMessage());
    assertFalse(TrainerHost.alive(job));
  }

  /** As Scala throws: without a declaration. */
  @SuppressWarnings("unchecked") // nothing is cast
  private static <E extends Throwable> RuntimeException sneaky(Throwable e) throws E {
    throw (E) e;
  }

  /** Is ready once it has all of the weights, which end in a line of their own. */
  private Path faithfulToWeights() throws IOException {
    return script(
        "read config\nwhile read line; do\n"
            + "  case \"$line\" in *end) echo ready; exec cat >/dev/null;; esac\ndone\n");
  }

  @Test
  void oneToWhichWeightsKeepMovingHasItsTimeAnewWithEachPart() throws Exception {
    int pieces = 6;
    long patience = TimeUnit.SECONDS.toNanos(30);
    AtomicLong now = new AtomicLong();
    AtomicLong asked = new AtomicLong();
    Thread waits = Thread.currentThread();
    LongSupplier clock =
        () -> {
          if (Thread.currentThread() == waits) {
            asked.incrementAndGet();
          }
          return now.get();
        };
    Iterable<byte[]> weights =
        () ->
            new Iterator<byte[]>() {
              private int given;

              @Override
              public boolean hasNext() {
                return given < pieces;
              }

              @Override
              public byte[] next() {
                given++;
                // It takes two thirds of the time that there is, and who waits sees that.
                now.addAndGet(patience * 2 / 3);
                long seen = asked.get() + 2;
                while (asked.get() < seen && !Thread.currentThread().isInterrupted()) {
                  Thread.yield();
                }
                return TrainerHost.line(given == pieces ? "the end" : "a part");
              }
            };
    TrainerChild child =
        TrainerChild.start(
            TrainerProgram.onProcessors(faithfulToWeights()),
            "{}",
            weights,
            TrainerChild::daemon,
            clock);
    try {
      assertEquals("ready", child.awaitReady(30));
      assertEquals(patience * 2 / 3 * pieces, now.get());
    } finally {
      child.process().destroyForcibly();
    }
  }

  @Test
  void manyLinesOnStderrDoNotBlockIt() throws IOException {
    Path program =
        script(
            "read config\ni=0\nwhile [ $i -lt 3000 ]; do echo line $i of a long log >&2; i=$((i+1)); done\n"
                + "echo ready\nexec cat >/dev/null\n");
    assertEquals(
        Collections.singletonList("ready"),
        TrainerHost.ensure(job, Collections.singletonList("{}"), null, program));
    TrainerHost.stop(job);
  }
}
