package candlewick.jni;

/** Kinds of failures by their names in JSON documents and in the native library. */
public final class FailureKinds {
  private FailureKinds() {}

  /**
   * The exception of a kind of failure. The one place that says which class stands for which kind.
   *
   * @param kind for example {@code invalidData}; one that is not known counts as {@code internal}
   * @param message what was wrong, what was expected, what to change
   * @return the exception, not thrown yet
   */
  public static CandlewickException exception(String kind, String message) {
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
}
