package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The boundary, the handles and the buffers, with the real library. */
class NativeTest {
  @BeforeAll
  static void load() {
    NativeLibrary.load();
  }

  @Test
  void hasAVersion() {
    assertTrue(Native.version().matches("\\d+\\.\\d+\\.\\d+"), Native.version());
  }

  @Test
  void aPanicBecomesAnExceptionAndTheJvmGoesOn() {
    for (int round = 0; round < 3; round++) {
      NativePanicException e =
          assertThrows(NativePanicException.class, () -> Native.panic("deliberate é"));
      assertTrue(
          e.getMessage().startsWith("native code panicked: deliberate é at "), e.getMessage());
      assertTrue(e.getMessage().contains("exports.rs"), e.getMessage());
      assertEquals("internal", e.kind());
    }
    assertTrue(Native.version().length() > 0);
  }

  @Test
  void everyKindHasItsException() {
    for (String kind :
        new String[] {
          "invalidParameter",
          "invalidData",
          "unavailable",
          "unauthenticated",
          "cancelled",
          "jobFailed",
          "internal"
        }) {
      CandlewickException made = FailureKinds.exception(kind, "what happened");
      assertEquals(kind, made.kind());
      assertEquals("what happened", made.getMessage());
    }
    assertEquals("internal", FailureKinds.exception("of a later version", "x").kind());
  }

  @Test
  void aNullArgumentIsAnException() {
    assertThrows(IllegalStateException.class, () -> Native.panic(null));
    assertThrows(IllegalStateException.class, () -> NativeMethods.feederOpen(null, null));
  }

  @Test
  void secretsAreRandom() {
    String secret = Native.newSecret();
    assertTrue(secret.matches("[0-9a-f]{64}"));
    assertNotEquals(secret, Native.newSecret());
  }

  @Test
  void aKeyRingHasTheKeysThatWereAskedForAndNotTheSecret() {
    String secret = Native.newSecret();
    String feed = Native.deriveKeys(secret, "job", "feed", false);
    assertTrue(feed.matches("\\{\"feed\":\"[0-9a-f]{64}\"}"), feed);
    assertFalse(feed.contains(secret));
    assertEquals(feed, Native.deriveKeys(secret, "job", "feed", false));
    assertNotEquals(feed, Native.deriveKeys(secret, "another", "feed", false));
    String trainer = Native.deriveKeys(secret, "job", "feed, peer,control", false);
    assertTrue(trainer.contains("\"peer\":") && trainer.contains("\"control\":"), trainer);
    InvalidParameterException e =
        assertThrows(
            InvalidParameterException.class, () -> Native.deriveKeys(secret, "job", "root", false));
    assertTrue(e.getMessage().contains("feed, peer and control"), e.getMessage());
    e =
        assertThrows(
            InvalidParameterException.class, () -> Native.deriveKeys("5a", "job", "feed", false));
    assertFalse(e.getMessage().contains("5a"), e.getMessage());
  }

  @Test
  void wrongHandlesAreExceptions() {
    for (long handle : new long[] {0, -1, 1L << 40}) {
      IllegalStateException e =
          assertThrows(IllegalStateException.class, () -> NativeMethods.feederFinish(handle, 0));
      assertTrue(e.getMessage().contains("closed or never opened"), e.getMessage());
      NativeMethods.feederClose(handle);
    }
  }

  @Test
  void wrongJsonIsAnInvalidParameter() {
    InvalidParameterException e =
        assertThrows(InvalidParameterException.class, () -> Feeder.open("{}", Native.newSecret()));
    assertTrue(e.getMessage().contains("missing field"), e.getMessage());
    assertEquals("invalidParameter", e.kind());
  }

  @Test
  void buffersAreAlignedWritableAndClosedOnce() {
    NativeBuffer buffer = NativeBuffer.allocate(40);
    assertEquals(0, buffer.address() % 8);
    ByteBuffer view = buffer.view().order(ByteOrder.LITTLE_ENDIAN);
    assertEquals(40, view.capacity());
    view.putLong(32, 7);
    assertEquals(7, buffer.view().order(ByteOrder.LITTLE_ENDIAN).getLong(32));
    buffer.close();
    buffer.close();
    assertThrows(IllegalStateException.class, buffer::address);
    assertThrows(InvalidParameterException.class, () -> NativeBuffer.allocate(0));
  }

  @Test
  void theCanaryIsReadAndALayoutThatDiffersIsAClearError() {
    try (NativeBuffer buffer = NativeBuffer.allocate(1024)) {
      byte[] row = canaryRow();
      buffer.view().put(row);
      assertEquals(Canary.EXPECTED, Native.canary(buffer.address(), row.length));
      Canary.check(buffer.address(), row.length);
      buffer.view().put(8, (byte) 0);
      CandlewickException e =
          assertThrows(CandlewickException.class, () -> Canary.check(buffer.address(), row.length));
      assertTrue(e.getMessage().contains("built for this Spark version"), e.getMessage());
      assertThrows(CandlewickException.class, () -> Canary.check(buffer.address(), 20));
    }
  }

  /** The row of {@link Canary}, byte by byte as Spark 3.5 to 4.3 writes it. */
  private static byte[] canaryRow() {
    ByteBuffer row = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);
    row.putLong(0, 1L << 15);
    int slot = 8;
    row.put(slot, (byte) 1).put(slot + 8, (byte) -5).putShort(slot + 16, (short) 300);
    row.putInt(slot + 24, -70000).putLong(slot + 32, 5000000000L).putFloat(slot + 40, 2.5f);
    row.putDouble(slot + 48, -1.25).putLong(slot + 56, 1234);
    int at = slot + 16 * 8;
    at = variable(row, slot + 64, at, new byte[] {(byte) 0xfb, 0x2e}) + 8;
    at = variable(row, slot + 72, at, new byte[] {1, 2, (byte) 255});
    at =
        variable(
            row, slot + 80, at, array(3, 4, e -> e.putFloat(1.5f).putFloat(-2.5f).putFloat(3.5f)));
    at = variable(row, slot + 88, at, array(2, 8, e -> e.putDouble(0.25).putDouble(-8)));
    at = variable(row, slot + 96, at, array(3, 4, e -> e.putInt(7).putInt(-7).putInt(70000)));
    byte[] dense = array(2, 8, e -> e.putDouble(1).putDouble(2));
    at = variable(row, slot + 104, at, vector(6, 1, 0, new byte[0], dense));
    byte[] indices = array(2, 4, e -> e.putInt(1).putInt(3));
    byte[] values = array(2, 8, e -> e.putDouble(1.5).putDouble(-2.5));
    at = variable(row, slot + 112, at, vector(0, 0, 5, indices, values));
    byte[] bytes = new byte[at];
    row.get(0, bytes);
    return bytes;
  }

  private static int variable(ByteBuffer row, int slot, int at, byte[] bytes) {
    row.putLong(slot, ((long) at << 32) | bytes.length);
    row.put(at, bytes);
    return at + (bytes.length + 7) / 8 * 8;
  }

  private static byte[] array(int count, int width, java.util.function.Consumer<ByteBuffer> fill) {
    ByteBuffer array =
        ByteBuffer.allocate(16 + (count * width + 7) / 8 * 8).order(ByteOrder.LITTLE_ENDIAN);
    array.putLong(count).putLong(0);
    fill.accept(array);
    return array.array();
  }

  private static byte[] vector(long nulls, int type, int size, byte[] indices, byte[] values) {
    ByteBuffer vector =
        ByteBuffer.allocate(40 + indices.length + values.length).order(ByteOrder.LITTLE_ENDIAN);
    vector.putLong(nulls).putLong(type).putLong(size);
    vector.putLong(indices.length == 0 ? 0 : (40L << 32) | indices.length);
    vector.putLong(((40L + indices.length) << 32) | values.length);
    vector.put(indices).put(values);
    return vector.array();
  }
}
