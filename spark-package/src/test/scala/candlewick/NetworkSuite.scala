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

  test("a layer that stands at two places has its weights once") {
    val linear = nn.Linear(4)
    val block = nn.Sequential(linear, nn.Tanh(), linear)
    val shared = nn.Sequential(block, nn.Residual(block, nn.ReLU()), linear, nn.Linear(2))
    def layers(of: Network) = Document.parse("", of.json).get("layers")
    assert(layers(shared).get(0).get("layers").get(2).toString == """{"shares":"0.0"}""")
    assert(layers(shared).get(1).get("layers").get(0).toString == """{"shares":"0"}""")
    assert(layers(shared).get(2).toString == """{"shares":"0.0"}""")
    val again = nn.fromJson(shared.json)
    assert(
      again == shared && again.json == shared.json && nn.Sequential(again.layers: _*).json == shared.json
    )
    // Taken apart, the place of the first is another one.
    val rest = nn.Sequential(again.layers.drop(1): _*)
    assert(layers(rest).get(0).get("layers").get(0).get("layers").get(2).toString == """{"shares":"0.0.0"}""")
    assert(layers(rest).get(1).toString == """{"shares":"0.0.0"}""")
    val table = shared.summary(Seq(4))
    assert(table.contains("shared") && table.contains("30 parameters"), table)
    assert(nn.Sequential(linear, linear) != nn.Sequential(linear, nn.Linear(4)))
    assert(nn.Sequential(linear, nn.Tanh()) == nn.Sequential(nn.Linear(4), nn.Tanh()))
    val wrong = shared.json.replaceFirst("0\\.0", "7")
    val told = intercept[InvalidParameterException](nn.fromJson(wrong)).getMessage
    assert(told.contains("'shares' must be the place of an earlier layer, such as '0', got \"7\""), told)
  }

  test("parts of a graph's nodes are shared too") {
    val x = nn.Input("x", 4)
    val linear = nn.Linear(4)
    val first = nn.Sequential(linear, nn.Tanh())(x)
    val graph = nn.Graph(Seq(x), "y" -> linear(nn.Sequential(linear, nn.ReLU())(first)))
    val nodes = Document.parse("", graph.json).get("nodes")
    assert(nodes.get(1).get("layer").get("layers").get(0).toString == """{"shares":"sequential_1.0"}""")
    assert(nodes.get(2).get("layer").toString == """{"shares":"sequential_1.0"}""")
    assert(graph.summary().contains("20 parameters"))
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
