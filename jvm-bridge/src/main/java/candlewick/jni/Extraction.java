package candlewick.jni;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * Puts the native files of a jar into a folder of the local disk.
 *
 * <p>The folder's name is made of the files' checksums, so every version has its own and all JVMs
 * of a user on a host share it. A file is written under another name and renamed, so nobody sees
 * half of one; a file that is already there is used only if its checksum is right. Nothing is
 * deleted at exit: another executor may run it.
 */
final class Extraction {
  private static final Set<PosixFilePermission> PROGRAM =
      PosixFilePermissions.fromString("rwxr-xr-x");

  private static final int STICKY = 01000;
  private static final int OTHERS_WRITE = 00002;

  /** Fails where a folder cannot run the files that lie in it. */
  interface Check {
    void run(Path folder) throws IOException;
  }

  private final ClassLoader loader;
  private final String resources;
  private final String list;
  private final Check check;

  /**
   * Extraction of the files that {@code resources}/SHA256SUMS lists, the library and the trainer.
   *
   * @param loader where the resources are
   * @param resources their folder, without a slash at the end
   */
  Extraction(ClassLoader loader, String resources) {
    this(
        loader,
        resources,
        NativeLibrary.SUMS,
        folder -> Probe.run(folder.resolve(NativeLibrary.TRAINER)));
  }

  /** Extraction of the files that another {@code list} has. */
  Extraction(ClassLoader loader, String resources, String list, Check check) {
    this.loader = loader;
    this.resources = resources;
    this.list = list;
    this.check = check;
  }

  /**
   * Extracts into the first of {@code bases} that can hold and run the files; returns the folder.
   */
  Path extract(List<Path> bases) {
    byte[] sums = sums();
    Map<String, String> files = parse(new String(sums, StandardCharsets.UTF_8));
    String version = hex(sha256().digest(sums)).substring(0, 16);
    StringBuilder refused = new StringBuilder();
    for (Path base : bases) {
      try {
        Files.createDirectories(base);
        checkBase(base);
        Path owned = base.resolve("candlewick-" + PrivateFolder.uid());
        PrivateFolder.make(owned);
        Path folder = owned.resolve(version);
        PrivateFolder.make(folder);
        for (Map.Entry<String, String> file : files.entrySet()) {
          place(folder.resolve(file.getKey()), file.getKey(), file.getValue());
        }
        check.run(folder);
        return folder;
      } catch (IOException | UnsupportedOperationException e) {
        refused.append("\n  ").append(base).append(": ").append(e);
      }
    }
    throw new CandlewickException(
        "no folder can hold and run Candlewick's native files; set -D"
            + NativeLibrary.CACHE_DIR_PROPERTY
            + " to one that is writable and not mounted noexec. Tried:"
            + refused);
  }

  private byte[] sums() {
    String name = resources + "/" + list;
    try (InputStream in = loader.getResourceAsStream(name)) {
      if (in == null) {
        throw new CandlewickException(
            "this jar holds no native files for this platform ("
                + System.getProperty("os.name")
                + ", "
                + System.getProperty("os.arch")
                + "): "
                + name
                + " is missing; "
                + held()
                + ". Candlewick runs on Linux with x86_64 or aarch64, and `make dist` builds a jar"
                + " for both");
      }
      return readAll(in);
    } catch (IOException e) {
      throw new CandlewickException("cannot read " + name + " from the jar: " + e.getMessage(), e);
    }
  }

  /** What the jar has instead. */
  private String held() {
    List<String> found = new ArrayList<>();
    for (String platform : NativeLibrary.PLATFORMS) {
      if (loader.getResource(NativeLibrary.RESOURCES + platform + "/" + list) != null) {
        found.add(platform);
      }
    }
    return found.isEmpty() ? "it has none at all" : "it has those of " + String.join(", ", found);
  }

  private static Map<String, String> parse(String sums) {
    Map<String, String> files = new LinkedHashMap<>();
    for (String line : sums.split("\n")) {
      String[] parts = line.trim().split("\\s+\\*?", 2);
      if (parts.length == 2) {
        if (parts[0].length() != 64 || parts[1].contains("/") || parts[1].startsWith(".")) {
          throw new CandlewickException(
              "SHA256SUMS in the jar holds a line of another form: " + line);
        }
        files.put(parts[1], parts[0]);
      }
    }
    return files;
  }

  /**
   * Where everybody may write, only the sticky bit keeps others from putting a folder of their own
   * in the place of ours after it was checked.
   */
  private static void checkBase(Path base) throws IOException {
    int mode = (Integer) Files.getAttribute(base, "unix:mode");
    if ((mode & OTHERS_WRITE) != 0 && (mode & STICKY) == 0) {
      throw new IOException(
          base + " is writable by everybody and has no sticky bit (chmod +t " + base + ")");
    }
  }

  private void place(Path target, String name, String sum) throws IOException {
    if (Files.isRegularFile(target, LinkOption.NOFOLLOW_LINKS) && sum.equals(sumOf(target))) {
      return;
    }
    Path part = target.resolveSibling(name + "." + UUID.randomUUID() + ".part");
    try {
      copyResource(name, part);
      if (!sum.equals(sumOf(part))) {
        throw new IOException("the bytes written to " + part + " are not those of the jar");
      }
      Files.setPosixFilePermissions(part, PROGRAM);
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  private void copyResource(String name, Path to) throws IOException {
    try (InputStream in = loader.getResourceAsStream(resources + "/" + name);
        FileChannel out =
            FileChannel.open(to, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      if (in == null) {
        throw new IOException(resources + "/" + name + " is missing in the jar");
      }
      byte[] chunk = new byte[1 << 16];
      for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
        ByteBuffer bytes = ByteBuffer.wrap(chunk, 0, read);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
      out.force(true);
    }
  }

  static String sumOf(Path file) throws IOException {
    MessageDigest digest = sha256();
    try (InputStream in = Files.newInputStream(file)) {
      byte[] chunk = new byte[1 << 16];
      for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
        digest.update(chunk, 0, read);
      }
    }
    return hex(digest.digest());
  }

  private static byte[] readAll(InputStream in) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] chunk = new byte[4096];
    for (int read = in.read(chunk); read >= 0; read = in.read(chunk)) {
      out.write(chunk, 0, read);
    }
    return out.toByteArray();
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte one : bytes) {
      text.append(String.format("%02x", one & 0xff));
    }
    return text.toString();
  }
}
