package candlewick.score

import org.scalatest.funsuite.AnyFunSuite

final class ValueTallySuite extends AnyFunSuite {

  private def tally(labels: Double*): ValueTally = {
    val made = new ValueTally(1)
    labels.foreach(label => made.add(Array(label), Array(0.2), 1.0))
    made
  }

  test("labels that never vary have no spread, however the partitions are cut") {
    // 0.1 times 3 by 3 is more than 0.1.
    val parts = Seq(tally(Seq.fill(3)(0.1): _*), tally(Seq.fill(5)(0.1): _*), tally())
    for (order <- parts.permutations)
      assert(order.foldLeft(new ValueTally(1))((all, part) => all.merge(part)).values("r2") == 0.0)
  }

  test("the spread of all is that of the parts together") {
    val whole = tally(1.0, 2.0, 4.0, 7.0).values
    val parts = tally(1.0).merge(tally()).merge(tally(2.0, 4.0)).merge(tally(7.0)).values
    assert(parts.keySet == whole.keySet && parts.forall { case (name, value) =>
      math.abs(value - whole(name)) < 1e-12
    })
    // scikit-learn's r2_score([1, 2, 4, 7], [0.2, 0.2, 0.2, 0.2]).
    assert(math.abs(whole("r2") - (1.0 - (0.64 + 3.24 + 14.44 + 46.24) / 21.0)) < 1e-12)
  }
}
