package candlewick.jni;

/** The job failed for the cause that the message names. */
public final class JobFailedException extends CandlewickException {
  private static final long serialVersionUID = 1L;

  /**
   * Called by the native library.
   *
   * @param message what was wrong, what was expected, what to change
   */
  public JobFailedException(String message) {
    super(message);
  }

  @Override
  public String kind() {
    return "jobFailed";
  }
}
