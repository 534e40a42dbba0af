package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Collections;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Scoring by the library that stands in for the one for GPUs, with candle on processors. */
@Timeout(60)
class GpuScoringTest {
  private static final String SPEC =
      "{\"network\":{\"format\":\"candlewick.network/1\",\"layers\":[{\"type\":\"Linear\",\"out_features\":1}]},"
          + "\"inputShape\":[2],\"label\":{\"kind\":\"real\",\"width\":1}}";

  @TempDir Path temp;

  @BeforeAll
  static void load() {
    NativeLibrary.load();
  }

  private static Path library() {
    Path built =
        Paths.get(System.getProperty(NativeLibrary.DIR_PROPERTY))
            .resolve("examples/libcandlewick_score_rehearsal.so");
    assertTrue(Files.isRegularFile(built), built + " is missing: `make rehearsal` builds it");
    return built;
  }

  /** A model with the weights 2, 3 and 0.5. */
  private static Model model() {
    String header =
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
            + "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file = ByteBuffer.allocate(8 + text.length + 12).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(text.length).put(text).putFloat(2).putFloat(3).putFloat(0.5f);
    return Model.load(SPEC, Collections.singletonList(file.array()));
  }

  private static Scorer open(Model model, Path library, String address) {
    String columns =
        "{\"numFields\":2,\"features\":[{\"ordinal\":0,\"name\":\"a\",\"dataType\":\"double\"},"
            + "{\"ordinal\":1,\"name\":\"b\",\"dataType\":\"double\"}],\"featureWidth\":2,\"scale\":null,"
            + "\"labels\":[],\"labelKind\":null,\"weight\":null,\"skipInvalid\":false}";
    String device =
        "{\"library\":\"" + library + "\",\"folders\":[],\"address\":\"" + address + "\"}";
    return Scorer.open(
        model,
        "{\"columns\":"
            + columns
            + ",\"outputs\":[{\"kind\":\"prediction\"}],\"thresholds\":null,\"partition\":4,\"device\":"
            + device
            + "}");
  }

  private static String refused(Path library, String address) {
    try (Model model = model()) {
      return assertThrows(
              InvalidParameterException.class, () -> open(model, library, address).close())
          .getMessage();
    }
  }

  /** What the scorer says of the row (1, 1). */
  private static double scored(Scorer scorer) {
    try (NativeBuffer rows = NativeBuffer.allocate(64)) {
      ByteBuffer view = rows.view().order(ByteOrder.LITTLE_ENDIAN);
      view.putInt(24).putInt(0).putLong(0).putDouble(1).putDouble(1);
      long address = scorer.run(rows, view.position(), 1);
      return NativeMethods.bufferView(address, 24).order(ByteOrder.LITTLE_ENDIAN).getDouble(16);
    }
  }

  @Test
  void scorersOfOneGpuShareAModelThatGoesWithTheLast() {
    for (int round = 0; round < 2; round++) {
      Model model = model();
      Scorer first = open(model, library(), "1");
      // Put there once for each GPU; of the model of another round nothing is left.
      assertEquals(2, first.placed());
      try (Scorer second = open(model, library(), "1");
          Scorer other = open(model, library(), "2")) {
        assertEquals(1, second.placed());
        assertEquals(2, other.placed());
        model.close();
        first.close();
        assertEquals(5.5, scored(second), 1e-6);
        assertEquals(5.5, scored(other), 1e-6);
      }
    }
  }

  @Test
  void aGpuThatIsNotThereIsTold() {
    String told = refused(library(), "9");
    assertTrue(told.contains("this host has no GPU by the address that was asked for"), told);
  }

  @Test
  void aLibraryOfAnotherVersionIsRefused() throws IOException {
    // Its own version is the only such text that ends with a zero.
    String text = new String(Files.readAllBytes(library()), StandardCharsets.ISO_8859_1);
    String own = Native.version() + "\0";
    assertTrue(text.contains(own));
    Path other = temp.resolve("libcandlewick_score_gpu.so");
    byte[] changed = text.replace(own, "9.9.9\0").getBytes(StandardCharsets.ISO_8859_1);
    Files.write(other, changed);
    String told = refused(other, "0");
    assertTrue(
        told.contains("candlewick-cuda is of version 9.9.9 and Candlewick of " + Native.version()),
        told);
  }

  @Test
  void anArtifactWithoutTheLibraryIsTold() throws IOException {
    Path program = Files.createFile(temp.resolve(NativeLibrary.TRAINER_GPU));
    String told =
        assertThrows(InvalidParameterException.class, () -> GpuScoring.beside(program))
            .getMessage();
    assertTrue(told.contains(temp + " holds no " + NativeLibrary.SCORE_GPU), told);
    assertTrue(told.contains("use the jar candlewick-cuda of this version"), told);
    assertTrue(told.endsWith("set scoreDevice to \"cpu\""), told);
    Files.createFile(temp.resolve(NativeLibrary.SCORE_GPU));
    assertEquals(
        temp.resolve(NativeLibrary.SCORE_GPU).toString(), GpuScoring.beside(program).library());
  }
}
