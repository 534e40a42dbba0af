package candlewick.jni;

/** A process, connection or deadline was lost; the same call may succeed later. */
public final class RetryableException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public RetryableException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "unavailable";
  }
}
