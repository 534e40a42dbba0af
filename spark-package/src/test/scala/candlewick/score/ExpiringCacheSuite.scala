package candlewick.score

import java.util.concurrent.{CountDownLatch, ExecutionException, Executors, Future, TimeUnit}
import java.util.concurrent.atomic.AtomicLong
import org.scalatest.funsuite.AnyFunSuite

class ExpiringCacheSuite extends AnyFunSuite {

  /** Longest wait for another thread; only a failing test comes near it. */
  private val DeadlineSeconds = 60L

  private final class Value extends AutoCloseable {
    @volatile var closed = false
    override def close(): Unit = closed = true
  }

  private final class Fixture {
    val clock = new AtomicLong
    val made = new AtomicLong
    var most = Long.MaxValue
    val cache = new ExpiringCache[Value](10L, () => most, _ => 5L, () => clock.get)

    def make(): Value = {
      made.incrementAndGet()
      new Value
    }

    def get(key: String): Value = cache.use(key)(make())(identity)
  }

  private def inThreads(count: Int)(body: => Unit): Seq[Future[_]] = {
    val pool = Executors.newFixedThreadPool(count)
    val started = (1 to count).map(_ => pool.submit((() => body): Runnable))
    pool.shutdown()
    started
  }

  private def join(threads: Seq[Future[_]]): Unit =
    threads.foreach(thread => thread.get(DeadlineSeconds, TimeUnit.SECONDS): Unit)

  private def await(latch: CountDownLatch): Unit = assert(latch.await(DeadlineSeconds, TimeUnit.SECONDS))

  test("what nobody has used for long enough is closed, and made again when wanted") {
    val fixture = new Fixture
    val (old, recent) = (fixture.get("old"), fixture.get("recent"))
    fixture.clock.set(9L)
    assert(fixture.get("recent") eq recent)
    fixture.cache.sweep()
    assert(fixture.cache.size == 2)
    fixture.clock.set(10L)
    fixture.cache.sweep()
    assert(old.closed && !recent.closed && fixture.cache.size == 1)
    assert(fixture.get("old") ne old)
    assert(fixture.made.get == 3)
  }

  test("any number of values stays as long as they are used") {
    val fixture = new Fixture
    val values = (0 until 50).map(at => fixture.get(at.toString))
    fixture.cache.sweep()
    assert(values.indices.forall(at => fixture.get(at.toString) eq values(at)))
  }

  test("what weighs too much together leaves, the one that was not used for longest first") {
    val fixture = new Fixture
    fixture.most = 15L
    val values = Seq("a", "b", "c").map { key =>
      fixture.clock.incrementAndGet()
      fixture.get(key)
    }
    fixture.clock.incrementAndGet()
    assert(fixture.get("a") eq values.head)
    fixture.clock.incrementAndGet()
    val fourth = fixture.get("d")
    assert(values.map(_.closed) == Seq(false, true, false) && fixture.cache.size == 3)
    fixture.most = 1L
    val fifth = fixture.get("e")
    assert(Seq(values.head, values(2), fourth).forall(_.closed), "only the one that was made last stays")
    assert(!fifth.closed && (fixture.get("e") eq fifth) && fixture.cache.size == 1)
  }

  test("a value that is in use does not leave for another") {
    val fixture = new Fixture
    fixture.most = 5L
    val (entered, go) = (new CountDownLatch(1), new CountDownLatch(1))
    val user = inThreads(1)(fixture.cache.use("used")(fixture.make()) { value =>
      entered.countDown()
      await(go)
      assert(!value.closed)
    })
    await(entered)
    fixture.get("other"): Unit
    go.countDown()
    join(user)
    assert(fixture.cache.size == 2)
  }

  test("making a value holds up nobody who wants another") {
    val fixture = new Fixture
    val (entered, go) = (new CountDownLatch(1), new CountDownLatch(1))
    val slow = inThreads(1) {
      fixture.cache.use("slow") { entered.countDown(); await(go); fixture.make() }(_ => ())
    }
    await(entered)
    join(inThreads(1)(fixture.get("quick"): Unit))
    fixture.clock.set(100L)
    fixture.cache.sweep()
    go.countDown()
    join(slow)
    assert(!fixture.get("slow").closed, "it was being made while the sweep came by")
  }

  test("threads that want the same value make it once") {
    val fixture = new Fixture
    join(inThreads(8)(fixture.get("same"): Unit))
    assert(fixture.made.get == 1)
  }

  test("a value that cannot be made is tried again by the next who wants it") {
    val fixture = new Fixture
    val failed = inThreads(4)(fixture.cache.use("bad")(sys.error("no such model"))(_ => ()))
    failed.foreach { thread =>
      val error = intercept[ExecutionException](join(Seq(thread)))
      assert(error.getCause.getMessage == "no such model")
    }
    assert(fixture.cache.size == 0)
    assert(!fixture.get("bad").closed)
  }
}
