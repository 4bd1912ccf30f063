//! Proofs: for every signed size at once, and for nothing else.

use super::{Engine, Ground, entry, fresh};
use crate::audit::entry::{Entry, Kind, SlotId};
use crate::audit::proof::{SizedRoot, verify_consistency, verify_inclusion};
use crate::audit::tile::TileId;

pub(super) async fn every_entry_is_proven_under_every_later_head<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let (mut receipts, mut heads) = (Vec::new(), Vec::new());
    for count in [1, 3, 10, 1, 257] {
        let run = (0..count).map(|_| entry(Kind::Query)).collect();
        receipts.extend(ground.store.append(run).await.unwrap());
        let head = ground.store.head().await.unwrap();
        heads.push(SizedRoot { size: head.size, root: head.root });
    }
    for later in &heads {
        for receipt in receipts.iter().step_by(7) {
            let (index, size) = (receipt.index(), later.size);
            match ground.store.inclusion(index, size).await.unwrap() {
                None => assert!(index >= size),
                Some(path) => {
                    let leaf = receipt.leaf_hash();
                    assert_eq!(verify_inclusion(&leaf, index, size, &path, &later.root), Ok(()));
                }
            }
        }
        for earlier in &heads {
            match ground.store.consistency(earlier.size, later.size).await.unwrap() {
                None => assert!(earlier.size > later.size),
                Some(growth) => {
                    assert_eq!(verify_consistency(*earlier, *later, &growth), Ok(()));
                }
            }
        }
    }
    let newest = ground.size().await;
    assert_eq!(ground.store.inclusion(0, newest + 1).await.unwrap(), None);
    assert_eq!(ground.store.consistency(1, newest + 1).await.unwrap(), None);
}

pub(super) async fn tiles_hold_the_leaf_hashes<E: Engine>() {
    let ground = Ground::new::<E>().await;
    let before = usize::try_from(ground.size().await).unwrap();
    let run = (0..300).map(|_| entry(Kind::Query)).collect();
    let receipts = ground.store.append(run).await.unwrap();
    let size = ground.size().await;
    for n in 0..2 {
        let id = TileId { level: 0, n };
        let first = usize::try_from(n).unwrap() * 256;
        for width in [id.width(size), 44] {
            let tile = ground.store.tile(id, width).await.unwrap().unwrap();
            assert_eq!(tile.len(), width);
            for (place, hash) in (first..).zip(tile).skip_while(|(place, _)| *place < before) {
                assert_eq!(receipts[place - before].leaf_hash(), hash, "{place}");
            }
        }
        let beyond = id.width(size) + 1;
        assert_eq!(ground.store.tile(id, beyond).await.unwrap(), None);
    }
    assert_eq!(ground.store.tile(TileId { level: 0, n: 2 }, 1).await.unwrap(), None);
}

pub(super) async fn a_proven_entry_opens_what_is_named<E: Engine>() {
    const SUBJECT: &[SlotId] = &[SlotId::Subject];
    let ground = Ground::new::<E>().await;
    let slots = [(SlotId::Subject, vec![1; 16]), (SlotId::Asker, b"{}".to_vec())].into();
    let wanted = Entry { slots, ..entry(Kind::Disclose) };
    let receipt = ground.store.append(vec![wanted.clone()]).await.unwrap().remove(0);
    for (open, count) in [(&[][..], 0), (SUBJECT, 1)] {
        let proven = ground.store.proven(wanted.event, open).await.unwrap().unwrap();
        assert_eq!((proven.index, proven.slots.len()), (receipt.index(), count));
        let head = ground.store.head().await.unwrap();
        assert_eq!(proven.note, head.note);
        let leaf = receipt.leaf_hash();
        let index = proven.index;
        assert_eq!(verify_inclusion(&leaf, index, head.size, &proven.path, &head.root), Ok(()));
        assert!(proven.slots.iter().all(|slot| slot.content == [1; 16]));
    }
    assert_eq!(ground.store.proven(fresh(), SUBJECT).await.unwrap(), None);
}
