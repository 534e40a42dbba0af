package candlewick.jni;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The objects that own native ones: coordinator, feeder, model, scorer. */
@Timeout(60)
class OwnersTest {
  private static final String JOB = "0123456789abcdef0123456789abcdef";
  private static final String NETWORK =
      "{\"format\":\"candlewick.network/1\",\"layers\":[{\"type\":\"Linear\",\"out_features\":1}]}";
  private static final String COLUMNS =
      "{\"numFields\":2,\"features\":[{\"ordinal\":0,\"name\":\"a\",\"dataType\":\"double\"},"
          + "{\"ordinal\":1,\"name\":\"b\",\"dataType\":\"double\"}],\"featureWidth\":2,\"scale\":null,"
          + "\"labels\":[],\"labelKind\":null,\"weight\":null,\"skipInvalid\":false}";

  @BeforeAll
  static void load() {
    NativeLibrary.load();
  }

  private static String resolve(String params) {
    return Native.resolve(
        "{\"job\":\""
            + JOB
            + "\",\"params\":"
            + params
            + ",\"task\":\"regressor\",\"featureWidth\":2}");
  }

  private static String job() {
    String answer = resolve("{\"network\":" + NETWORK + "}");
    assertTrue(answer.startsWith("{\"job\":"), answer);
    return answer.substring("{\"job\":".length(), answer.indexOf(",\"launch\":{"));
  }

  @Test
  void resolveCompletesAndNamesWhatIsWrong() {
    assertTrue(job().contains("\"batchSize\":256"), job());
    InvalidParameterException e =
        assertThrows(InvalidParameterException.class, () -> resolve("{\"batchSize\":0}"));
    assertTrue(e.getMessage().contains("batchSize"), e.getMessage());
    String summary = Native.networkSummary("{\"network\":" + NETWORK + ",\"inputShape\":[2]}");
    assertTrue(summary.contains("Linear"), summary);
  }

  @Test
  void aCoordinatorAnswersAndClosesTwice() {
    String config = "{\"bindHost\":\"127.0.0.1\",\"port\":\"0\",\"job\":" + job() + "}";
    Coordinator coordinator =
        Coordinator.start(config, Native.deriveKeys(Native.newSecret(), JOB, "control", false));
    assertTrue(coordinator.address().startsWith("{\"host\":\"127.0.0.1\",\"port\":"));
    assertEquals("{\"trainers\":[]}", coordinator.command("{\"cmd\":\"registered\"}"));
    coordinator.command("{\"cmd\":\"tick\"}");
    assertNull(coordinator.poll(0));
    assertThrows(InvalidParameterException.class, () -> coordinator.command("{\"cmd\":\"dance\"}"));
    assertThrows(
        RetryableException.class,
        () -> coordinator.command("{\"cmd\":\"members\",\"trainers\":[\"nobody\"]}"));
    assertThrows(RetryableException.class, coordinator::weights);
    coordinator.close();
    coordinator.close();
    IllegalStateException e = assertThrows(IllegalStateException.class, () -> coordinator.poll(0));
    assertEquals("Coordinator is closed", e.getMessage());
  }

  /** A weights file with weight [2, 3] and bias 0.5. */
  private static byte[] weights() {
    String header =
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
            + "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    byte[] text = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file = ByteBuffer.allocate(8 + text.length + 12).order(ByteOrder.LITTLE_ENDIAN);
    file.putLong(text.length).put(text).putFloat(2).putFloat(3).putFloat(0.5f);
    return file.array();
  }

  private static Model model() {
    String spec =
        "{\"network\":"
            + NETWORK
            + ",\"inputShape\":[2],\"label\":{\"kind\":\"real\",\"width\":1}}";
    return Model.load(spec, Collections.singletonList(weights()));
  }

  @Test
  void aModelScoresRows() {
    String task =
        "{\"columns\":"
            + COLUMNS
            + ",\"outputs\":[{\"kind\":\"prediction\"}],\"thresholds\":null,\"partition\":4}";
    Model model = model();
    assertTrue(model.info().contains("\"parameters\":3"), model.info());
    Scorer scorer = Scorer.open(model, task);
    model.close();
    model.close();
    assertThrows(IllegalStateException.class, model::info);
    try (NativeBuffer rows = NativeBuffer.allocate(256)) {
      ByteBuffer view = rows.view().order(ByteOrder.LITTLE_ENDIAN);
      for (int row = 0; row < 2; row++) {
        view.putInt(24).putInt(0).putLong(0).putDouble(row).putDouble(1);
      }
      long address = scorer.run(rows, view.position(), 2);
      assertEquals(2 * 24, scorer.resultBytes());
      ByteBuffer result =
          NativeMethods.bufferView(address, scorer.resultBytes()).order(ByteOrder.LITTLE_ENDIAN);
      assertEquals(16, result.getInt(0));
      assertEquals(3.5, result.getDouble(16));
      assertEquals(5.5, result.getDouble(40));
      assertEquals(1, NativeMethods.bufferView(scorer.kept(), 2).get(1));
      view.putDouble(16, Double.NaN);
      InvalidDataException e =
          assertThrows(InvalidDataException.class, () -> scorer.run(rows, 64, 2));
      assertTrue(
          e.getMessage().contains("column 'a' is NaN, in partition 4, row 2"), e.getMessage());
      assertThrows(IllegalArgumentException.class, () -> scorer.run(rows, 257, 1));
      assertThrows(CandlewickException.class, () -> scorer.run(rows, 20, 2));
    }
    scorer.close();
    scorer.close();
    assertThrows(IllegalStateException.class, scorer::kept);
  }

  @Test
  void aModelChecksItsGoldenVectors() {
    try (Model model = model()) {
      byte[] golden = model.golden();
      model.checkGolden(golden);
      golden[golden.length - 1] ^= 1;
      InvalidParameterException e =
          assertThrows(InvalidParameterException.class, () -> model.checkGolden(golden));
      assertTrue(e.getMessage().startsWith("row "), e.getMessage());
      assertThrows(InvalidParameterException.class, () -> model.checkGolden(new byte[0]));
    }
  }

  @Test
  void aHandleOfAnotherKindIsAnException() {
    try (Model model = model()) {
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class, () -> NativeMethods.coordinatorPoll(model.handle(), 0));
      assertTrue(e.getMessage().contains("is a Model, not a Coordinator"), e.getMessage());
    }
  }

  private static Feeder feeder(int port) {
    String columns =
        COLUMNS.replace(
            "\"labels\":[],\"labelKind\":null",
            "\"labels\":[{\"ordinal\":1,\"name\":\"b\",\"dataType\":\"double\"}],"
                + "\"labelKind\":{\"kind\":\"real\",\"width\":1}");
    String owner =
        "{\"trainer\":\"t\",\"host\":\"127.0.0.1\",\"port\":" + port + ",\"lo\":0,\"hi\":8}";
    String feed =
        "{\"job\":\""
            + JOB
            + "\",\"round\":0,\"logicalShards\":8,\"owners\":["
            + owner
            + "],\"columns\":"
            + columns
            + ",\"streamBytes\":65536,\"timeoutMs\":20000}";
    return Feeder.open(
        "{\"feed\":" + feed + ",\"partition\":0,\"attempt\":1,\"executor\":\"0\"}",
        Native.deriveKeys(Native.newSecret(), JOB, "feed", false));
  }

  @Test
  void aFeederOfAnEmptyPartitionNeedsNoTrainer() {
    Feeder feeder = feeder(1);
    String ledger = feeder.finish(0);
    assertTrue(ledger.contains("\"rowsSent\":0"), ledger);
    assertThrows(IllegalStateException.class, () -> feeder.finish(0));
    feeder.close();
    feeder.close();
    assertThrows(IllegalStateException.class, () -> feeder.finish(0));
  }

  @Test
  void aFeederStopsForAnInterruptAndNamesTheShardsOfAMissingTrainer() throws Exception {
    try (Feeder feeder = feeder(1);
        NativeBuffer rows = NativeBuffer.allocate(64)) {
      ByteBuffer view = rows.view().order(ByteOrder.LITTLE_ENDIAN);
      view.putInt(24).putInt(0).putLong(0).putDouble(1).putDouble(1);
      assertThrows(CancelledException.class, () -> feeder.push(rows, 32, 1, true));
      Thread.currentThread().interrupt();
      try {
        assertThrows(CancelledException.class, () -> feeder.push(rows, 32, 1, false));
      } finally {
        assertTrue(Thread.interrupted());
      }
      assertTrue(feeder.push(rows, 32, 1, false));
      String ledger = feeder.finish(1);
      assertTrue(ledger.contains("\"lostBecause\":\"feeding trainer t (127.0.0.1:1)"), ledger);
      assertTrue(ledger.contains("\"rowsPassedOver\":1,"), ledger);
    }
  }
}
