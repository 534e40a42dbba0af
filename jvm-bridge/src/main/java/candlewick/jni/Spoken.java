package candlewick.jni;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What a short program said, and how it ended. */
final class Spoken {
  /** The most that is kept of each stream. */
  private static final int MOST = 1 << 16;

  final int status;
  final String out;
  final String error;

  private Spoken(int status, String out, String error) {
    this.status = status;
    this.out = out;
    this.error = error;
  }

  /**
   * Runs a program to its end, without input.
   *
   * @throws IOException if it cannot be started, or does not end within {@code seconds}
   */
  static Spoken of(ProcessBuilder builder, int seconds) throws IOException {
    Process process = builder.start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    String name = builder.command().get(0);
    // In threads of their own: a program that neither speaks nor ends must not hold up this one.
    CompletableFuture<String> out = read(process.getInputStream());
    CompletableFuture<String> error = read(process.getErrorStream());
    try {
      process.getOutputStream().close();
      if (!process.waitFor(deadline - System.nanoTime(), TimeUnit.NANOSECONDS)) {
        throw new IOException(name + " did not end within " + seconds + " s");
      }
      return new Spoken(process.exitValue(), rest(out, deadline), rest(error, deadline));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while " + name + " ran", e);
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException(name + " ended, but its output did not within " + seconds + " s", e);
    } finally {
      process.destroyForcibly();
    }
  }

  private static String rest(CompletableFuture<String> text, long deadline)
      throws InterruptedException, ExecutionException, TimeoutException {
    return text.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
  }

  private static CompletableFuture<String> read(InputStream stream) {
    CompletableFuture<String> text = new CompletableFuture<>();
    Thread reader = new Thread(() -> text.complete(all(stream)), "candlewick-probe");
    reader.setDaemon(true);
    reader.start();
    return text;
  }

  private static String all(InputStream stream) {
    ByteArrayOutputStream read = new ByteArrayOutputStream();
    byte[] chunk = new byte[4096];
    try {
      for (int n = stream.read(chunk); n >= 0; n = stream.read(chunk)) {
        read.write(chunk, 0, Math.min(n, MOST - read.size()));
      }
    } catch (IOException e) {
      // Its end closed the pipe under the reader's hands.
    }
    return new String(read.toByteArray(), StandardCharsets.UTF_8);
  }
}
