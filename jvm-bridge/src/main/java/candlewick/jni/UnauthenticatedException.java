package candlewick.jni;

/** The other side did not prove that it knows the job's secret. */
public final class UnauthenticatedException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public UnauthenticatedException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "unauthenticated";
  }
}
