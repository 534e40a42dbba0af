package candlewick.jni;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * A row that the JVM encodes and the native library decodes when it is first used, so that a Spark
 * with another row layout is a clear error and never a wrong model. Encode a row with the columns
 * {@link #TYPES} and the values in their comments.
 */
public final class Canary {
  /**
   * The columns' types, as Spark's catalogString; {@code vector} is VectorUDT. The last column is
   * null.
   */
  public static final List<String> TYPES =
      Collections.unmodifiableList(
          Arrays.asList(
              "boolean", // true
              "tinyint", // -5
              "smallint", // 300
              "int", // -70000
              "bigint", // 5000000000
              "float", // 2.5
              "double", // -1.25
              "decimal(10,2)", // 12.34
              "decimal(30,2)", // -12.34
              "binary", // 1, 2, 255
              "array<float>", // 1.5, -2.5, 3.5
              "array<double>", // 0.25, -8
              "array<int>", // 7, -7, 70000
              "vector", // dense 1, 2
              "vector", // sparse, size 5: index 1 = 1.5, index 3 = -2.5
              "double")); // null

  /** What {@link Native#canary} returns for that row. */
  public static final String EXPECTED =
      "[[1.0],[-5.0],[300.0],[-70000.0],[5000000000.0],[2.5],[-1.25],[12.34],[-12.34],[1.0,2.0,255.0],"
          + "[1.5,-2.5,3.5],[0.25,-8.0],[7.0,-7.0,70000.0],[1.0,2.0],[0.0,1.5,0.0,-2.5,0.0],null]";

  private Canary() {}

  /**
   * Checks that the native library reads what the JVM wrote.
   *
   * @param address of the row's bytes
   * @param bytes size of the row
   * @throws CandlewickException if it reads something else
   */
  public static void check(long address, int bytes) {
    String read = Native.canary(address, bytes);
    if (!EXPECTED.equals(read)) {
      throw new CandlewickException(
          "this Spark lays out rows in a way that this version of Candlewick does not know: expected "
              + EXPECTED
              + ", read "
              + read
              + "; use a Candlewick built for this Spark version");
    }
  }
}
