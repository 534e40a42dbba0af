package candlewick.fit

import org.scalatest.funsuite.AnyFunSuite

class HostsSuite extends AnyFunSuite {
  test("a literal of IPv6 goes to trainers without the brackets that Spark puts around it") {
    assert(Hosts.plain("[fd00::1]") == "fd00::1")
    for (host <- Seq("fd00::1", "10.0.0.1", "worker-1", "", "[", "[fd00::1", "[worker]"))
      assert(Hosts.plain(host) == host)
  }

  test("the driver binds to no more than one address, its own where others use that of another machine") {
    val own = "172.17.0.2"
    def bound(advertised: String, configured: String): String =
      Hosts.bindTo(advertised, Option(configured), _ == own, Some(own))
    assert(bound(own, null) == own && bound("10.0.0.5", null) == "10.0.0.5")
    assert(bound("10.0.0.5", "172.17.0.3") == "172.17.0.3" && bound(own, "[fd00::1]") == "fd00::1")
    for (any <- Seq("0.0.0.0", "::", "[::]")) {
      assert(bound(own, any) == own)
      // A container whose ports are mapped: nobody here has the address that others use.
      assert(bound("10.0.0.5", any) == own)
      assert(Hosts.bindTo("10.0.0.5", Some(any), _ => false, None) == "10.0.0.5")
    }
  }
}
