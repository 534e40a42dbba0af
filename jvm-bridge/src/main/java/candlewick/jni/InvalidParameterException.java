package candlewick.jni;

/** A parameter, network or schema is wrong; nothing was started. */
public final class InvalidParameterException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public InvalidParameterException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "invalidParameter";
  }
}
