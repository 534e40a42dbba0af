package candlewick.jni;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The trainer processes of this JVM, by job. A trainer lives as long as its stdin is open: this
 * class keeps it, so a trainer ends with its JVM however that ends, and with {@link #stop}.
 */
public final class TrainerHost {
  private static final String PROCESSES = "trainers";
  private static final long STOP_SECONDS = 5;

  /** A trainer that takes nothing of what is written to it for so long, and listens not, hangs. */
  private static final long START_SECONDS = 60;

  private TrainerHost() {}

  /** Starts one trainer; a test has one of its own. */
  interface Starter {
    TrainerChild start(String config) throws IOException;
  }

  /**
   * Starts the trainers of a job in this JVM, but for those that were started already, and waits
   * until each listens. A trainer is known by its line: the same order twice starts nothing, and
   * one of other trainers, which a fit sends that lost an executor, starts them beside the first.
   *
   * @param jobId the job
   * @param configs one JSON line per trainer, as {@code candlewick-trainer gang} reads it
   * @param weights the file of weights to start from in pieces, of the length that the lines say;
   *     null where there is none. Each trainer reads them by itself
   * @return per trainer the JSON line it printed: {@code {"pid", "flightPort", "collectivePort"}}
   * @throws RetryableException if a trainer ended before it listened, with the end of its stderr
   */
  public static List<String> ensure(String jobId, List<String> configs, Iterable<byte[]> weights) {
    // Loaded before a child may need it to report its end.
    NativeLibrary.load();
    return ensure(jobId, configs, weights, NativeLibrary.trainerPath());
  }

  /**
   * The same on GPUs.
   *
   * @param jobId the job
   * @param configs one JSON line per trainer
   * @param gpus per trainer the address of the GPU that it computes on, the only one that it sees
   * @param weights the file of weights to start from, in pieces; null where there is none
   * @return per trainer the JSON line it printed
   * @throws RetryableException if a trainer ended before it listened, with the end of its stderr
   */
  public static List<String> ensure(
      String jobId, List<String> configs, List<String> gpus, Iterable<byte[]> weights) {
    NativeLibrary.load();
    Path program = GpuTrainer.path();
    Starter starter =
        config -> {
          String gpu = gpus.get(configs.indexOf(config));
          return TrainerChild.start(GpuTrainer.on(program, gpu), config, weights);
        };
    return ensure(jobId, configs, starter, START_SECONDS);
  }

  static List<String> ensure(
      String jobId, List<String> configs, Iterable<byte[]> weights, Path program) {
    return ensure(jobId, configs, weights, program, START_SECONDS);
  }

  static List<String> ensure(
      String jobId,
      List<String> configs,
      Iterable<byte[]> weights,
      Path program,
      long startSeconds) {
    TrainerProgram processors = TrainerProgram.onProcessors(program);
    Starter starter = config -> TrainerChild.start(processors, config, weights);
    return ensure(jobId, configs, starter, startSeconds);
  }

  static List<String> ensure(
      String jobId, List<String> configs, Starter starter, long startSeconds) {
    while (true) {
      Object[] started = jobs().computeIfAbsent(jobId, key -> newEntry());
      // One lock per job, and of the JVM rather than of a class loader.
      synchronized (started) {
        if (jobs().get(jobId) != started) {
          // Stopped, or failed to start, while this thread waited.
          continue;
        }
        installShutdownHook();
        Map<String, String> lines = lines(started);
        List<String> missing = new ArrayList<>(configs);
        missing.removeAll(lines.keySet());
        if (!missing.isEmpty()) {
          startAll(jobId, started, missing, starter, startSeconds);
        }
        List<String> answer = new ArrayList<>();
        for (String config : configs) {
          answer.add(lines.get(config));
        }
        return answer;
      }
    }
  }

  private static void startAll(
      String jobId, Object[] started, List<String> configs, Starter starter, long startSeconds) {
    boolean done = false;
    // Those of an earlier order are at work, and are not ended where this one fails.
    boolean alone = snapshot(started).isEmpty();
    List<TrainerChild> children = new ArrayList<>();
    starting(started).set(true);
    try {
      for (String config : configs) {
        TrainerChild child = starter.start(config);
        List<Process> processes = processes(started);
        synchronized (processes) {
          processes.add(child.process());
          // Who reports its end may have come by before it was here.
          if (child.isReported()) {
            processes.remove(child.process());
          }
        }
        children.add(child);
        // stop() forgets the job first and reads its list then: a child that is not yet in that
        // list finds here that the job is forgotten.
        checkWanted(jobId, started);
      }
      for (int i = 0; i < configs.size(); i++) {
        lines(started).put(configs.get(i), children.get(i).awaitReady(startSeconds));
      }
      done = true;
    } catch (IOException e) {
      throw new RetryableException("cannot start a trainer: " + e.getMessage());
    } catch (RuntimeException e) {
      if (jobs().get(jobId) != started && !(e instanceof CancelledException)) {
        throw stoppedWhileStarting(jobId);
      }
      throw e;
    } finally {
      // After an Error too: none of the trainers may be left behind.
      if (!done && alone) {
        stop(jobId, started);
      } else if (!done) {
        List<Process> mine = new ArrayList<>();
        for (TrainerChild child : children) {
          mine.add(child.process());
        }
        end(mine);
      }
      starting(started).set(false);
      // Those that ended meanwhile were left to this.
      forgetEnded();
    }
  }

  private static void checkWanted(String jobId, Object[] started) {
    if (jobs().get(jobId) != started) {
      throw stoppedWhileStarting(jobId);
    }
  }

  private static CancelledException stoppedWhileStarting(String jobId) {
    return new CancelledException("job " + jobId + " was stopped while its trainers started");
  }

  /**
   * Whether a trainer of the job runs in this JVM.
   *
   * @param jobId the job
   * @return true if one does
   */
  public static boolean alive(String jobId) {
    for (Process process : snapshot(jobs().get(jobId))) {
      if (process.isAlive()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Waits until no trainer of a job lives.
   *
   * @param jobId the job
   * @param millis the longest wait
   * @return true where one lives still
   * @throws InterruptedException if the thread is interrupted
   */
  public static boolean outlives(String jobId, long millis) throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
    for (Process process : snapshot(jobs().get(jobId))) {
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        return true;
      }
    }
    // Another one may have been started meanwhile.
    return alive(jobId);
  }

  /**
   * The jobs that have trainers in this JVM.
   *
   * @return their ids
   */
  public static List<String> jobIds() {
    List<String> ids = new ArrayList<>();
    for (String jobId : jobs().keySet()) {
      if (alive(jobId)) {
        ids.add(jobId);
      }
    }
    return ids;
  }

  /**
   * Ends the trainers of a job: closes their stdin, waits up to 5 seconds, then kills. No effect if
   * there are none.
   *
   * @param jobId the job
   */
  public static void stop(String jobId) {
    Object[] started = jobs().get(jobId);
    if (started != null) {
      stop(jobId, started);
    }
  }

  /**
   * Kills the trainers of a job that are stopped by a signal: they hear of nothing, and their
   * coordinator counts them as lost. Those that run are left alone.
   *
   * @param jobId the job
   */
  public static void killFrozen(String jobId) {
    for (Process process : snapshot(jobs().get(jobId))) {
      if (process.isAlive() && isFrozen(process)) {
        process.destroyForcibly();
      }
    }
  }

  /**
   * True where the kernel says so: state T of /proc/pid/stat, which follows the name in brackets.
   */
  private static boolean isFrozen(Process process) {
    try {
      // Java 8, for which this is compiled, has no Process.pid().
      long pid = (Long) Process.class.getMethod("pid").invoke(process);
      String stat =
          new String(
              Files.readAllBytes(Paths.get("/proc/" + pid + "/stat")), StandardCharsets.UTF_8);
      return stat.substring(stat.lastIndexOf(')') + 1).trim().startsWith("T");
    } catch (IOException | ReflectiveOperationException e) {
      // It ended meanwhile, or this system does not tell.
      return false;
    }
  }

  private static void stop(String jobId, Object[] started) {
    jobs().remove(jobId, started);
    end(snapshot(started));
  }

  private static void end(List<Process> processes) {
    for (Process process : processes) {
      OutputStream stdin = process.getOutputStream();
      // Closing waits for a write that is going on, and that one for a child that may not read.
      try {
        TrainerChild.daemon("candlewick-close-stdin", () -> closeQuietly(stdin));
      } catch (OutOfMemoryError e) {
        // The JVM can make no more threads: not asked, then, but killed.
        process.destroyForcibly();
      }
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(STOP_SECONDS);
    boolean interrupted = false;
    for (Process process : processes) {
      try {
        if (interrupted || !process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
          process.destroyForcibly();
        }
      } catch (InterruptedException e) {
        interrupted = true;
        process.destroyForcibly();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Takes note of the end of a trainer, by who reports it; its job is forgotten with the last one.
   *
   * @return false where the job was stopped here, so that the end is no news
   */
  static boolean ended(Process process) {
    boolean wanted = false;
    for (Object[] started : jobs().values()) {
      List<Process> processes = processes(started);
      synchronized (processes) {
        // The others stay, also those that have ended: their ends are still to be reported.
        wanted |= processes.remove(process);
      }
    }
    forgetEnded();
    return wanted;
  }

  /** Forgets the jobs of whose trainers all ends are known. */
  private static void forgetEnded() {
    for (Map.Entry<String, Object[]> job : jobs().entrySet()) {
      // One whose trainers are being started is its starter's, who looks again.
      Object[] started = job.getValue();
      if (!starting(started).get() && snapshot(started).isEmpty()) {
        jobs().remove(job.getKey(), started);
      }
    }
  }

  private static void installShutdownHook() {
    ConcurrentHashMap<String, Boolean> hooks = PerJvm.map("hooks");
    if (hooks.putIfAbsent(PROCESSES, Boolean.TRUE) == null) {
      Thread hook =
          new Thread(
              () -> {
                for (String jobId : new ArrayList<>(jobs().keySet())) {
                  stop(jobId);
                }
              },
              "candlewick-stop-trainers");
      Runtime.getRuntime().addShutdownHook(hook);
    }
  }

  /**
   * Per job: [the processes, the line that each printed by the one that it was given, whether some
   * are being started].
   */
  private static ConcurrentHashMap<String, Object[]> jobs() {
    return PerJvm.map(PROCESSES);
  }

  private static Object[] newEntry() {
    // It counts as being started from the first, so that nobody forgets it before it has begun.
    return new Object[] {
      new ArrayList<Process>(), new ConcurrentHashMap<String, String>(), new AtomicBoolean(true)
    };
  }

  @SuppressWarnings("unchecked") // only newEntry() makes it
  private static Map<String, String> lines(Object[] started) {
    return (Map<String, String>) started[1];
  }

  private static AtomicBoolean starting(Object[] started) {
    return (AtomicBoolean) started[2];
  }

  @SuppressWarnings("unchecked") // only newEntry() makes it
  private static List<Process> processes(Object[] started) {
    return (List<Process>) started[0];
  }

  private static List<Process> snapshot(Object[] started) {
    if (started == null) {
      return new ArrayList<>();
    }
    List<Process> processes = processes(started);
    synchronized (processes) {
      return new ArrayList<>(processes);
    }
  }

  static void closeQuietly(OutputStream stream) {
    try {
      stream.close();
    } catch (IOException e) {
      // The child has ended already: the pipe is broken, which is what closing is for.
    }
  }

  static byte[] line(String text) {
    return (text + "\n").getBytes(StandardCharsets.UTF_8);
  }
}
