package candlewick.fit

import org.apache.spark.FutureAction
import scala.concurrent.{CanAwait, ExecutionContext, Future, Promise}
import scala.concurrent.duration.Duration
import scala.util.Try

/** A Spark job that ends when a test says so. */
private[fit] final class TestJob extends FutureAction[Unit] {
  private val promise = Promise[Unit]()
  @volatile private var ended = false

  def complete(): this.type = {
    promise.trySuccess(())
    this
  }

  def fail(error: Throwable): Unit = promise.tryFailure(error): Unit

  override def cancel(): Unit = ended = true
  override def cancel(reason: Option[String]): Unit = cancel()
  override def isCancelled: Boolean = ended
  override def isCompleted: Boolean = promise.isCompleted
  override def value: Option[Try[Unit]] = promise.future.value
  override def jobIds: Seq[Int] = Seq(7)
  override def onComplete[U](body: Try[Unit] => U)(implicit executor: ExecutionContext): Unit =
    promise.future.onComplete(body)
  override def transform[S](f: Try[Unit] => Try[S])(implicit executor: ExecutionContext): Future[S] =
    promise.future.transform(f)
  override def transformWith[S](f: Try[Unit] => Future[S])(implicit executor: ExecutionContext): Future[S] =
    promise.future.transformWith(f)
  override def ready(atMost: Duration)(implicit permit: CanAwait): this.type = {
    promise.future.ready(atMost)
    this
  }
  override def result(atMost: Duration)(implicit permit: CanAwait): Unit = promise.future.result(atMost)
}
