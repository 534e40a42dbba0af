package candlewick.jni;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;

/**
 * One trainer process with the threads that feed its stdin, drain its output and report its end.
 *
 * <p>Starting one never waits for it: a trainer that hangs before it reads its stdin leaves the
 * pipe full, so its configuration and weights are written by a thread of their own, and {@link
 * #awaitReady} sees whether it takes them.
 */
final class TrainerChild {
  private static final int TAIL_LINES = 50;

  /** Bytes that are written at a time, as many as a pipe holds. */
  private static final int PART = 1 << 16;

  /** How often a wait looks at its deadline. */
  private static final long GLANCE_MILLIS = 50;

  private final Process process;
  private final String config;

  /** The time in nanoseconds: a test has its own. */
  private final LongSupplier clock;

  /**
   * When the trainer last took a part of what is written to it, and how many bytes it has taken.
   */
  private volatile long moved;

  private volatile long taken;

  private volatile boolean reported;

  /** Whoever sets it wants to see all that a trainer logs. */
  private static final boolean LOGS = System.getenv("RUST_LOG") != null;

  /** What is of use only where a trainer ended badly: then its last lines are told. */
  private static final Pattern ROUTINE = Pattern.compile("^\\S+Z +(INFO|DEBUG|TRACE) ");

  private final Deque<String> tail = new ArrayDeque<>();
  private final CompletableFuture<String> ready = new CompletableFuture<>();

  private TrainerChild(Process process, String config, LongSupplier clock) {
    this.process = process;
    this.config = config;
    this.clock = clock;
    this.moved = clock.getAsLong();
  }

  static TrainerChild start(TrainerProgram program, String config, Iterable<byte[]> weights)
      throws IOException {
    return start(program, config, weights, TrainerChild::daemon, System::nanoTime);
  }

  /** The same with another way to start threads, and another clock of nanoseconds. */
  static TrainerChild start(
      TrainerProgram program,
      String config,
      Iterable<byte[]> weights,
      BiFunction<String, Runnable, Thread> threads,
      LongSupplier clock)
      throws IOException {
    TrainerChild child = new TrainerChild(program.start(), config, clock);
    boolean done = false;
    try {
      Thread errors = threads.apply("candlewick-trainer-stderr", child::drainErrors);
      threads.apply("candlewick-trainer-stdout", child::drainOutput);
      threads.apply("candlewick-trainer-exit", () -> child.reportExit(errors));
      threads.apply("candlewick-trainer-stdin", () -> child.writeInput(weights));
      done = true;
    } finally {
      // Where the JVM can make no more threads, an Error: nobody else knows of this process yet.
      if (!done) {
        child.process.destroyForcibly();
      }
    }
    return child;
  }

  Process process() {
    return process;
  }

  /** Whether its end has been told to {@link TrainerHost#ended}, or is being so. */
  boolean isReported() {
    return reported;
  }

  /**
   * The line that the trainer prints when it listens. It has so many seconds from now, and as many
   * from each part of its configuration and weights that it takes: how long those are on their way
   * says nothing of the trainer.
   */
  String awaitReady(long seconds) {
    long began = clock.getAsLong();
    long patience = TimeUnit.SECONDS.toNanos(seconds);
    try {
      while (true) {
        try {
          return ready.get(GLANCE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          // Read before the time: a part that is taken in between is later than that.
          long last = Math.max(moved - began, 0);
          if (clock.getAsLong() - began - last >= patience) {
            process.destroyForcibly();
            throw new RetryableException(late(seconds));
          }
        }
      }
    } catch (ExecutionException e) {
      throw new RetryableException(e.getCause().getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted while a trainer started");
    }
  }

  private String late(long seconds) {
    return "a trainer did not listen within "
        + seconds
        + " s of its start, or of the last part of its configuration and weights that it took ("
        + taken
        + " bytes so far): see what keeps it, its machine or the network busy, or lower numTrainers"
        + " (launchTimeout does not lengthen this); its stderr ends with:\n"
        + tail();
  }

  /** The secret is in the first line: it goes over the pipe and nowhere else. */
  private void writeInput(Iterable<byte[]> weights) {
    OutputStream in = process.getOutputStream();
    try {
      write(in, TrainerHost.line(config));
      if (weights != null) {
        Pieces pieces = new Pieces(weights);
        for (byte[] piece = pieces.next(); piece != null; piece = pieces.next()) {
          write(in, piece);
        }
      }
      in.flush();
    } catch (UnreadableException e) {
      ready.completeExceptionally(e);
      process.destroyForcibly();
    } catch (IOException e) {
      // The child ended, or closed its stdin: awaitReady says why and kills one that lives on.
      // Destroying it here would close its stderr before its last words are read.
    }
  }

  private void write(OutputStream in, byte[] bytes) throws IOException {
    for (int at = 0; at < bytes.length; at += PART) {
      int length = Math.min(PART, bytes.length - at);
      in.write(bytes, at, length);
      // Only this thread writes it.
      taken = taken + length;
      moved = clock.getAsLong();
    }
  }

  /** Weights that do not come, which is no end of the child. */
  private static final class UnreadableException extends IOException {
    private static final long serialVersionUID = 1;

    UnreadableException(Exception cause) {
      super("the weights to start from could not be read: " + cause, cause);
    }
  }

  /** The pieces of weights. Each is fetched when it is its turn, which may fail. */
  private static final class Pieces {
    private final Iterable<byte[]> all;
    private Iterator<byte[]> left;

    Pieces(Iterable<byte[]> all) {
      this.all = all;
    }

    /** The next one; null behind the last. */
    byte[] next() throws UnreadableException {
      try {
        if (left == null) {
          left = all.iterator();
        }
        return left.hasNext() ? left.next() : null;
      } catch (Exception e) {
        // An IOException too, whatever is declared: Spark is Scala, which knows no declarations.
        throw new UnreadableException(e);
      }
    }
  }

  private void drainErrors() {
    // When a process ends, Java moves what its pipe still holds into memory. A read that meets this
    // fails as if the stream were closed; the next one gets the rest.
    if (!drainErrorsOnce()) {
      drainErrorsOnce();
    }
  }

  /** Reads stderr to its end; false where a read failed. */
  private boolean drainErrorsOnce() {
    try {
      BufferedReader lines = reader(process.getErrorStream());
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        synchronized (tail) {
          if (tail.size() == TAIL_LINES) {
            tail.removeFirst();
          }
          tail.addLast(line);
        }
        if (isShown(line, LOGS)) {
          System.err.println("[candlewick-trainer] " + line);
        }
      }
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Whether a line goes to the log of the executor. */
  static boolean isShown(String line, boolean all) {
    return all || !ROUTINE.matcher(line).find();
  }

  private void drainOutput() {
    try (BufferedReader lines = reader(process.getInputStream())) {
      String first = lines.readLine();
      if (first != null) {
        ready.complete(first);
      }
      while (lines.readLine() != null) {
        // Nothing else is expected there; it must not fill the pipe.
      }
    } catch (IOException e) {
      // The process ended and the pipe with it.
    }
  }

  private void reportExit(Thread errors) {
    try {
      int code = process.waitFor();
      // Its last words may still be in the pipe. A grandchild could keep it open, so not for ever.
      errors.join(TimeUnit.SECONDS.toMillis(2));
      String last = tail();
      ready.completeExceptionally(
          new IOException(
              "a trainer ended with status "
                  + code
                  + " before it listened; its stderr ends with:\n"
                  + last));
      reported = true;
      boolean wanted = TrainerHost.ended(process);
      // Status 0 is the end of a job that went well: the coordinator let it go.
      if (wanted && code != 0) {
        NativeMethods.reportExit(config, code, last);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (CandlewickException e) {
      // The coordinator has gone, which is how a job ends normally; the trainer's own connection
      // told it the rest.
      System.err.println(
          "[candlewick] the end of a trainer could not be reported: " + e.getMessage());
    }
  }

  private String tail() {
    synchronized (tail) {
      return String.join("\n", tail);
    }
  }

  private static BufferedReader reader(InputStream in) {
    return new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
  }

  static Thread daemon(String name, Runnable body) {
    Thread thread = new Thread(body, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }
}
