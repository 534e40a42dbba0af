package candlewick.fit

import org.scalatest.funsuite.AnyFunSuite

class HostsSuite extends AnyFunSuite {
  test("a literal of IPv6 goes to trainers without the brackets that Spark puts around it") {
    assert(Hosts.plain("[fd00::1]") == "fd00::1")
    for (host <- Seq("fd00::1", "10.0.0.1", "worker-1", "", "[", "[fd00::1", "[worker]"))
      assert(Hosts.plain(host) == host)
  }
}
