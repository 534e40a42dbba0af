package candlewick.fit

import java.util.concurrent.{ScheduledThreadPoolExecutor, TimeUnit}

/** Says what a fit waits for where a step takes long. */
private[fit] object Reminder {
  private val timer = new ScheduledThreadPoolExecutor(
    1,
    (body: Runnable) => {
      val thread = new Thread(body, "candlewick-reminder")
      thread.setDaemon(true)
      thread
    }
  )
  timer.setRemoveOnCancelPolicy(true)

  /** Runs `body`; if it still runs after `ms`, calls `remind` once, in another thread. */
  def after[T](ms: Long)(remind: => Unit)(body: => T): T = {
    val task: Runnable = () => remind
    val reminder = timer.schedule(task, ms, TimeUnit.MILLISECONDS)
    try body
    finally reminder.cancel(false): Unit
  }
}
