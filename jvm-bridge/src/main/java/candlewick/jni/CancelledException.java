package candlewick.jni;

/** The user or Spark cancelled the work. */
public final class CancelledException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public CancelledException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "cancelled";
  }
}
