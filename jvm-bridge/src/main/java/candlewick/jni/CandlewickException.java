package candlewick.jni;

/**
 * A failure of Candlewick. The subclass says what may be done about it; the base class itself
 * stands for a defect of Candlewick that is no panic.
 */
public class CandlewickException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * A failure.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public CandlewickException(String message) {
    super(message);
  }

  /**
   * A failure with the exception that led to it.
   *
   * @param message what was wrong, what was expected, what to change
   * @param cause what led to it
   */
  public CandlewickException(String message, Throwable cause) {
    super(message, cause);
  }

  /**
   * The kind of failure as it stands in JSON documents, for example {@code invalidData}.
   *
   * @return the kind
   */
  public String kind() {
    return "internal";
  }
}
