package candlewick.jni;

/** A row is wrong: null, NaN, another length, a label out of range. */
public final class InvalidDataException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public InvalidDataException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "invalidData";
  }
}
