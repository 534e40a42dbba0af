package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
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
  void startsOnceAndStops() throws IOException {
    Path program = faithful();
    List<String> configs = Arrays.asList("{\"index\":0}", "{\"index\":1}");
    List<String> lines = TrainerHost.ensure(job, configs, null, program);
    assertEquals(2, lines.size());
    assertTrue(lines.get(0).startsWith("{\"index\":0} "), lines.get(0));
    assertTrue(lines.get(1).startsWith("{\"index\":1} "), lines.get(1));
    assertEquals(lines, TrainerHost.ensure(job, configs, null, program), "idempotent");
    assertTrue(TrainerHost.alive(job));
    assertTrue(TrainerHost.jobIds().contains(job));
    long pid = Long.parseLong(lines.get(0).split(" ")[1]);
    TrainerHost.stop(job);
    TrainerHost.stop(job);
    assertFalse(TrainerHost.alive(job));
    assertFalse(ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false));
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
    Path program = script("exec <&-\nsleep 0.3\necho no port left >&2\nexit 7\n");
    RetryableException e =
        assertThrows(
            RetryableException.class,
            () -> TrainerHost.ensure(job, Collections.singletonList(config), null, program));
    assertTrue(e.getMessage().contains("status 7"), e.getMessage());
    assertTrue(e.getMessage().contains("no port left"), e.getMessage());
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
    TrainerChild.keepAllowed(environment);
    assertEquals(6, environment.size());
    assertFalse(environment.containsValue("x"));
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
