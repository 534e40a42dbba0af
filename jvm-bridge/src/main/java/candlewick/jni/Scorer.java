package candlewick.jni;

/** Scores batches of rows with a {@link Model}. For one task. */
public final class Scorer extends NativeHandle {
  private Scorer(long handle) {
    super(handle);
  }

  /**
   * Opens a scorer.
   *
   * @param model the model; it may be closed before the scorer
   * @param scoreJson {@code {"columns": Columns, "outputs": [...], "thresholds": [...] or null,
   *     "partition": n, "handleInvalid": "error" | "skip" | "keep", "device": {"library": path,
   *     "folders": [path...], "address": GPU} or null}}; an output, in the order wanted, is {@code
   *     {"kind": "rawPrediction" | "probability" | "prediction"}}, {@code {"kind": "named",
   *     "output": ...}} or {@code {"kind": "inner", "node": ...}}
   * @return the scorer, to be closed
   */
  public static Scorer open(Model model, String scoreJson) {
    return new Scorer(NativeMethods.scorerOpen(model.handle(), scoreJson));
  }

  /**
   * Where rows are computed.
   *
   * @return 0 on a processor, 1 on a GPU that had the model, 2 on a GPU that it was put on for this
   *     scorer
   */
  public int placed() {
    return NativeMethods.scorerPlaced(handle());
  }

  /**
   * Size of a row of the result.
   *
   * @return bytes, with those of its size
   */
  public long rowBytes() {
    return NativeMethods.scorerRowBytes(handle());
  }

  /**
   * Scores rows.
   *
   * @param rows the rows, format of {@link NativeBuffer}
   * @param bytes bytes used in the buffer
   * @param count number of rows
   * @return address of the result: for every kept row one UnsafeRow of the outputs, in the format
   *     of {@link NativeBuffer}; valid until the next call or close
   * @throws InvalidDataException if a row is invalid and handleInvalid is "error"
   */
  public long run(NativeBuffer rows, long bytes, int count) {
    synchronized (rows) {
      return NativeMethods.scorerRun(handle(), rows.addressOf(bytes), bytes, count);
    }
  }

  /**
   * Size of the last result.
   *
   * @return bytes
   */
  public long resultBytes() {
    return NativeMethods.scorerResultBytes(handle());
  }

  /**
   * Which rows of the last batch were kept.
   *
   * @return address of one byte per row: 0 left out, 1 scored, 2 not valid and all its outputs null
   */
  public long kept() {
    return NativeMethods.scorerKept(handle());
  }

  @Override
  void release(long released) {
    NativeMethods.scorerClose(released);
  }
}
