//! Vectors on a device: what they say of themselves, and what crosses.

use super::*;
use candle_core::Device;
use candlewick_protocol::features::DenseValues;
use std::sync::Arc;

fn link() -> Arc<Link> {
    Arc::new(Link::new(Device::Cpu))
}

fn read(vector: &DeviceVec) -> Vec<f32> {
    let mut values = vec![f32::NAN; vector.tensor().elem_count()];
    vector.read(&mut values).unwrap();
    values
}

#[test]
fn gaps_are_what_no_run_has() {
    let of = |runs: &[std::ops::Range<usize>]| gaps(10, runs.iter().cloned()).collect::<Vec<_>>();
    assert_eq!(of(&[]), std::slice::from_ref(&(0..10)));
    assert_eq!(of(&[0..3, 5..6]), [3..5, 6..10]);
    assert_eq!(of(&[0..4, 4..10]), Vec::<std::ops::Range<usize>>::new());
}

#[test]
fn a_vector_is_read_whole_wherever_its_elements_lie() {
    let link = link();
    let residence = Residence::new(vec![1..3, 4..5], Arc::clone(&link));
    let mut flat = Flat::held(vec![0.0, 1.0, 2.0, 3.0, 4.0], &residence, residence.places()).unwrap();
    // What lies there on the host is not what counts.
    flat.view_mut().host_mut().fill(9.0);
    assert_eq!(flat.all().unwrap(), [9.0, 1.0, 2.0, 9.0, 4.0].as_slice());
    assert!(flat.view().run(&(1..3)).is_some() && flat.view().run(&(1..2)).is_none());
    assert!(flat.view().run(&(0..1)).is_none());
    flat.set(&[5.0; 5]).unwrap();
    assert_eq!(flat.all().unwrap(), [5.0; 5].as_slice());
    let refused = flat.set(&[5.0; 4]).unwrap_err();
    assert!(
        refused.message.contains("of 5 values is to become one of 4"),
        "{refused}"
    );
    let traffic = residence.traffic().unwrap();
    assert_eq!((traffic.up.weights, traffic.down.weights), (2 * 3 * 4, 2 * 3 * 4));
}

#[test]
fn parts_are_put_back_and_copies_stay_as_they_are() {
    let mut whole = DeviceVec::up(&link(), &[1.0, 2.0, 3.0, 4.0]).unwrap();
    let copy = whole.copied().unwrap();
    let part = whole.part(&(1..3)).unwrap();
    whole.put(1, &part.times(10.0).unwrap()).unwrap();
    assert_eq!(read(&whole), [1.0, 20.0, 30.0, 4.0]);
    assert_eq!(read(&copy), [1.0, 2.0, 3.0, 4.0]);
    assert_ne!(whole, copy);
    let other = DeviceVec::up(&link(), &[7.0; 4]).unwrap();
    whole.put(0, &other).unwrap();
    assert_eq!(read(&whole), [7.0; 4]);
}

#[test]
fn indices_go_up_once_as_long_as_there_is_room() {
    let link = link();
    for _ in 0..3 {
        assert_eq!(link.indices(&[3, 1]).unwrap().to_vec1::<u32>().unwrap(), [3, 1]);
        assert_eq!(link.indices(&[1, 3]).unwrap().to_vec1::<u32>().unwrap(), [1, 3]);
    }
    assert_eq!(link.traffic().up.constants, 2 * 2 * 4);
    let many: Vec<u32> = vec![0; 1 << 24];
    for _ in 0..2 {
        link.indices(&many).unwrap();
    }
    assert_eq!(link.traffic().up.constants, 2 * 2 * 4 + 2 * (4 << 24));
}

#[test]
fn sums_over_many_blocks_come_in_one_transfer() {
    let link = link();
    for length in [1, 4_096, 10_000, (4_096 << 12) + 5_000] {
        let values: Vec<f32> = (0..length).map(|at| (at % 7) as f32 - 3.0).collect();
        let wanted: f64 = values.iter().map(|value| f64::from(value * value)).sum();
        let vector = DeviceVec::up(&link, &values).unwrap();
        let before = link.traffic();
        let sums = DeviceVec::sums(&[vector.squares().unwrap(), vector.flaw().unwrap()]).unwrap();
        assert_eq!(sums, [wanted, 0.0], "{length}");
        assert_eq!((link.traffic() - before).down.sums, 16);
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut values = values.clone();
            values[length - 1] = wrong;
            let vector = DeviceVec::up(&link, &values).unwrap();
            let flaw = DeviceVec::sums(&[vector.flaw().unwrap()]).unwrap();
            assert!(flaw[0].is_nan(), "{length} {wrong}");
        }
    }
    assert!(DeviceVec::sums(&[]).unwrap().is_empty());
}

/// Every integer of every type: bits of the host, in its bytes.
#[test]
fn integers_become_the_features_that_the_host_makes_of_them() {
    let bytes: Vec<u8> = (0..=u8::MAX).rev().collect();
    let signed: Vec<i8> = (i8::MIN..=i8::MAX).rev().collect();
    let words: Vec<i16> = (i16::MIN..=i16::MAX).rev().collect();
    let all = [
        (DenseValues::UInt8(&bytes), 256, 256),
        (DenseValues::Int8(&signed), 256, 256),
        (DenseValues::Int16(&words), 65_536, 131_072),
    ];
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for scale in [1.0 / 255.0, -0.1, 1e-40, -1e-46, 3e38, 1e300] {
        for (values, count, crossing) in all {
            let link = link();
            let rows = DeviceRows::up(&link, values, scale, (count / 64, 64)).unwrap();
            let mut wanted = Vec::new();
            values.expand(scale, &mut wanted);
            for part in [0..count / 64, 1..3] {
                let read = rows.read(&part).unwrap();
                assert_eq!(
                    (read.dims(), read.layout().start_offset()),
                    (&[part.len(), 64][..], 0)
                );
                let read = read.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert_eq!(
                    bits(&read),
                    bits(&wanted[part.start * 64..part.end * 64]),
                    "{scale}"
                );
            }
            // What they are goes up once.
            let again = DeviceRows::up(&link, values, scale, (count / 64, 64)).unwrap();
            assert_eq!(again.read(&(0..1)).unwrap().dims(), [1, 64]);
            let up = link.traffic().up;
            assert_eq!((up.rows, up.constants), (2 * crossing, 4 * count as u64));
        }
    }
}
