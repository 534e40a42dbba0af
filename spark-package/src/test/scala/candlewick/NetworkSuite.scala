package candlewick

import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

/** Networks there and back: read from documents, taken apart, put together anew. */
class NetworkSuite extends AnyFunSuite {
  private val net = nn.Sequential(
    nn.Conv2d(8, (3, 5), padding = "same"),
    nn.Residual(nn.BatchNorm2d(), nn.ReLU()),
    nn.AdaptiveAvgPool2d((3, None)),
    nn.Flatten(),
    nn.TransformerEncoder(nn.TransformerEncoderLayer(2), 2),
    nn.Linear(3)
  )

  test("a document is read as the network that wrote it") {
    assert(nn.fromJson(net.json) == net)
    val ruled = net.withInit("*.weight" -> nn.init.kaiming_normal_(), "*.bias" -> nn.init.zeros_())
    assert(nn.fromJson(ruled.json) == ruled)
    val (user, item) = (nn.Input("user", 8), nn.Input("item", 4))
    val graph = nn.Graph(Seq(user, item), "score" -> nn.Linear(1)(nn.Concat()(user, item)))
    assert(nn.fromJson(graph.json) == graph)
    assert(nn.fromJson(nn.Linear(3).json) == nn.Sequential(nn.Linear(3)))
  }

  test("layers are put together anew") {
    assert(net.layers.length == 6 && net.layers.last == nn.Linear(3))
    val other = nn.Sequential(net.layers.dropRight(1) :+ nn.Linear(5): _*)
    assert(other.layers.init == net.layers.init && other.layers.last == nn.Linear(5))
    assert(nn.Sequential(net.layers: _*) == net)
    assert(net.withInit("*" -> nn.init.zeros_()).layers == net.layers)
  }

  test("what is no network, or has no order, is told") {
    def told(body: => Any): String = intercept[InvalidParameterException](body: Unit).getMessage
    assert(told(nn.fromJson("{}")) == "the network: expected the format candlewick.network/1, got none")
    assert(told(nn.fromJson("""{"format": "x"}""")).endsWith("got x"))
    val empty = """{"format": "candlewick.network/1"}"""
    assert(told(nn.fromJson(empty)) == "the network: it has neither layers nor nodes")
    val x = nn.Input("x", 2)
    assert(told(nn.Graph(Seq(x), "y" -> nn.Linear(1)(x)).layers).startsWith("a graph has nodes, not layers"))
  }
}
