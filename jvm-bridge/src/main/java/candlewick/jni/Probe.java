package candlewick.jni;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs {@code candlewick-trainer --version}: the only sure way to learn that a folder is not
 * mounted noexec.
 */
final class Probe {
  private static final int SECONDS = 20;
  private static final int BUSY_TRIES = 40;

  private Probe() {}

  static void run(Path trainer) throws IOException {
    run(trainer, SECONDS);
  }

  static void run(Path trainer, int seconds) throws IOException {
    Process process = start(trainer);
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    // In a thread of its own: a program that neither speaks nor ends must not hold up this one.
    CompletableFuture<String> first = new CompletableFuture<>();
    TrainerChild.daemon("candlewick-probe", () -> first.complete(firstLine(process)));
    try {
      process.getOutputStream().close();
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw new IOException(trainer + " --version did not end within " + seconds + " s");
      }
      String line = first.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
      if (process.exitValue() != 0 || !line.startsWith(NativeLibrary.TRAINER)) {
        throw new IOException(
            trainer
                + " --version ended with status "
                + process.exitValue()
                + " and printed: "
                + line);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + trainer + " --version ran", e);
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException(
          trainer + " --version ended, but its output did not within " + seconds + " s", e);
    } finally {
      process.destroyForcibly();
    }
  }

  /**
   * Whether it can be started here, however it ends: it may lack a library that is no part of it.
   */
  static void starts(Path trainer) throws IOException {
    start(trainer).destroyForcibly();
  }

  private static String firstLine(Process process) {
    try (BufferedReader out =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = out.readLine();
      return line == null ? "nothing" : line;
    } catch (IOException e) {
      // Its end closed the pipe under the reader's hands.
      return "nothing";
    }
  }

  /**
   * Starts the probe. A child that another thread forks while we still had the file open for
   * writing holds that descriptor until it has closed or replaced it; until then the system says
   * "text file busy" (errno 26).
   */
  private static Process start(Path trainer) throws IOException {
    ProcessBuilder builder = new ProcessBuilder(trainer.toString(), "--version");
    TrainerProgram.keepAllowed(builder.environment());
    builder.redirectError(ProcessBuilder.Redirect.to(new File("/dev/null")));
    IOException busy = null;
    for (int tries = 0; tries < BUSY_TRIES; tries++) {
      try {
        return builder.start();
      } catch (IOException e) {
        if (e.getMessage() == null || !e.getMessage().contains("error=26")) {
          throw e;
        }
        busy = e;
        try {
          Thread.sleep(50);
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
          throw e;
        }
      }
    }
    throw busy;
  }
}
