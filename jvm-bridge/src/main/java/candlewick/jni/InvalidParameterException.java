package candlewick.jni;

/**
 * A parameter, network or schema is wrong: told before anything is started where that can be known;
 * what only the rows show (a loss that is not finite, a schedule longer than the training) while
 * training.
 */
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
