package candlewick.jni;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import java.util.regex.Pattern;

/**
 * One trainer process with the threads that feed its stdin, drain its output and report its end.
 *
 * <p>Starting one never waits for it: a trainer that hangs before it reads its stdin leaves the
 * pipe full, so its configuration and weights are written by a thread of their own, and the
 * deadline of {@link #awaitReady} covers them.
 */
final class TrainerChild {
  private static final int TAIL_LINES = 50;

  private final Process process;
  private final String config;

  /** What is of use only where a trainer ended badly: then its last lines are told. */
  private static final Pattern ROUTINE = Pattern.compile("^\\S+Z +(INFO|DEBUG|TRACE) ");

  private final Deque<String> tail = new ArrayDeque<>();
  private final CompletableFuture<String> ready = new CompletableFuture<>();

  private TrainerChild(Process process, String config) {
    this.process = process;
    this.config = config;
  }

  static TrainerChild start(TrainerProgram program, String config, Iterable<byte[]> weights)
      throws IOException {
    return start(program, config, weights, TrainerChild::daemon);
  }

  static TrainerChild start(
      TrainerProgram program,
      String config,
      Iterable<byte[]> weights,
      BiFunction<String, Runnable, Thread> threads)
      throws IOException {
    TrainerChild child = new TrainerChild(program.start(), config);
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

  /** The line that the trainer prints when it listens. */
  String awaitReady(long seconds) {
    try {
      return ready.get(seconds, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      process.destroyForcibly();
      throw new RetryableException(
          "a trainer did not listen within "
              + seconds
              + " s of its start; its stderr ends with:\n"
              + tail());
    } catch (ExecutionException e) {
      throw new RetryableException(e.getCause().getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException("interrupted while a trainer started");
    }
  }

  /** The secret is in the first line: it goes over the pipe and nowhere else. */
  private void writeInput(Iterable<byte[]> weights) {
    OutputStream in = process.getOutputStream();
    try {
      in.write(TrainerHost.line(config));
      if (weights != null) {
        for (byte[] piece : weights) {
          in.write(piece);
        }
      }
      in.flush();
    } catch (IOException e) {
      // The child ended, or closed its stdin: awaitReady says why and kills one that lives on.
      // Destroying it here would close its stderr before its last words are read.
    } catch (RuntimeException e) {
      // A piece is fetched when it is its turn, which may fail.
      ready.completeExceptionally(
          new IOException("the weights to start from could not be read: " + e));
      process.destroyForcibly();
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
        if (!ROUTINE.matcher(line).find()) {
          System.err.println("[candlewick-trainer] " + line);
        }
      }
      return true;
    } catch (IOException e) {
      return false;
    }
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
      boolean expected = TrainerHost.stopped(process);
      TrainerHost.forgetEnded();
      // Status 0 is the end of a job that went well: the coordinator let it go.
      if (!expected && code != 0) {
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
