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
   * The exception of a kind of failure. The one place that says which class stands for which kind.
   *
   * @param kind as it stands in JSON documents, for example {@code invalidData}; one that is not
   *     known counts as {@code internal}
   * @param message what was wrong, what was expected, what to change
   * @return the exception, not thrown yet
   */
  public static CandlewickException of(String kind, String message) {
    switch (kind) {
      case "invalidParameter":
        return new InvalidParameterException(message);
      case "invalidData":
        return new InvalidDataException(message);
      case "unavailable":
        return new RetryableException(message);
      case "unauthenticated":
        return new UnauthenticatedException(message);
      case "cancelled":
        return new CancelledException(message);
      case "jobFailed":
        return new JobFailedException(message);
      default:
        return new CandlewickException(message);
    }
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
