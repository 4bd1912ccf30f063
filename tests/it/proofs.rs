//! Proofs, tiles and receipts over a socket: they verify with the log's key alone, at once, and show no more
//! than their holder may see.

mod terminal;

use tonic::{Code, Response, Status};
use weir::audit::checkpoint::VerifierKey;
use weir::audit::entry::{Facet, Kind, SlotId};
use weir::audit::proof::{SizedRoot, verify_consistency, verify_inclusion};
use weir::audit::receipt::{ProvenEntry, Shown};
use weir::audit::tree::{Edge, Hash, leaf_hash};
use weir::grpc::pb;

use crate::support::{
    AISHA, BEN, CARER, GP_AUDITOR, HOSPITAL_AUDITOR, NURSE, NURSE_TWO, Place, expect_refused,
    request, treatment,
};

type Person = weir::auth::issuer::Person<'static>;

const POLICE_AUDITOR: Person =
    Person { agency: "northshire-police", person: "auditor-3", roles: &["hub-auditor"] };

fn key(place: &Place) -> VerifierKey {
    let text = std::fs::read_to_string(place.data().join("audit.vkey")).unwrap();
    VerifierKey::parse(text.trim()).unwrap()
}

/// The leaf hashes of the log as they lie on disk, and the root at every size.
fn on_disk(place: &Place) -> (Vec<Hash>, Vec<Hash>) {
    let file = place.log_file();
    let mut rows = file.prepare("SELECT leaf FROM entry ORDER BY idx").unwrap();
    let leaves = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let (mut edge, mut hashes) = (Edge::default(), Vec::new());
    let mut roots = vec![edge.root()];
    for leaf in leaves {
        hashes.push(leaf_hash(&leaf.unwrap()));
        edge.push(*hashes.last().unwrap());
        roots.push(edge.root());
    }
    (hashes, roots)
}

fn hashes(list: Vec<Vec<u8>>) -> Vec<Hash> {
    list.into_iter().map(|hash| hash.try_into().unwrap()).collect()
}

async fn ask(place: &Place, who: Person, question: pb::CanShareRequest) -> pb::Receipt {
    let asked = place.from(who, request(question));
    let reply = place.sharing().request_records(asked).await.unwrap();
    reply.into_inner().answers.pop().unwrap().receipt.unwrap()
}

async fn receipt(
    place: &Place,
    who: Person,
    name: &str,
) -> Result<Response<pb::GetReceiptResponse>, Status> {
    let message = pb::GetReceiptRequest { name: name.to_owned(), cosigned: false };
    place.audit().get_receipt(place.from(who, message)).await
}

/// The receipt, verified.
async fn shown(place: &Place, who: Person, name: &str) -> Shown {
    let reply = receipt(place, who, name).await.unwrap().into_inner();
    let proven = ProvenEntry::parse(&reply.text).unwrap();
    assert_eq!(reply.entry, format!("entries/{}", proven.index));
    proven.verify(&key(place)).unwrap()
}

#[tokio::test]
async fn a_receipt_of_every_answer_verifies_at_once() {
    let place = Place::open().await;
    let unknown = pb::CanShareRequest { purpose: "marketing".to_owned(), ..treatment(BEN) };
    for (question, kind) in [(treatment(AISHA), Kind::Disclose), (unknown, Kind::Refuse)] {
        for _ in 0..3 {
            let promised = ask(&place, NURSE, question.clone()).await;
            let before = place.log_size();
            let reply = receipt(&place, NURSE, &promised.name).await.unwrap().into_inner();
            let proven = ProvenEntry::parse(&reply.text).unwrap();
            let shown = proven.verify(&key(&place)).unwrap();
            assert_eq!(reply.entry, promised.entry);
            assert_eq!(leaf_hash(&proven.leaf).to_vec(), promised.leaf_hash);
            assert_eq!(shown.leaf.entry.kind, kind);
            assert_eq!(format!("disclosures/{}", shown.leaf.entry.event), promised.name);
            // Asking for it is an entry, and the receipt is under the head that covers that.
            let looked = place.entries(before);
            assert_eq!((looked.len(), looked[0].entry.kind), (1, Kind::AuditRead));
            assert_eq!(looked[0].facet(Facet::What), "receipt");
            assert_eq!(reply.receipt.unwrap().entry, format!("entries/{before}"));
            assert_eq!(shown.head.size, before + 1);
        }
    }
}

#[tokio::test]
async fn a_receipt_opens_what_its_holder_may_see() {
    let place = Place::open().await;
    let name = ask(&place, NURSE, treatment(AISHA)).await.name;
    let written = vec![SlotId::Subject, SlotId::Asker, SlotId::Request];
    let table = [
        ("who asked", NURSE, written.clone()),
        ("an auditor of theirs", HOSPITAL_AUDITOR, written),
        ("a colleague", NURSE_TWO, vec![]),
    ];
    for (what, who, opened) in table {
        let entry = shown(&place, who, &name).await.leaf.entry;
        assert_eq!(entry.slots.keys().copied().collect::<Vec<_>>(), opened, "{what}");
        if !opened.is_empty() {
            let resident = AISHA.resident();
            assert_eq!(entry.slots[&SlotId::Subject], resident.uuid().as_bytes(), "{what}");
        }
    }
}

#[tokio::test]
async fn somebody_elses_receipt_and_none_are_the_same() {
    let place = Place::open().await;
    let name = ask(&place, NURSE, treatment(AISHA)).await.name;
    let nobody = "disclosures/00000000-0000-4000-8000-000000000000";
    let foreign = receipt(&place, POLICE_AUDITOR, &name).await.err().unwrap();
    let none = receipt(&place, POLICE_AUDITOR, nobody).await.err().unwrap();
    assert_eq!(
        (foreign.code(), foreign.message(), foreign.details()),
        (none.code(), none.message(), none.details())
    );
    // The leaf names who asked: the holder may know them under another name only.
    let others = [POLICE_AUDITOR, GP_AUDITOR, CARER].map(|who| (who, name.as_str()));
    for (who, name) in others.into_iter().chain([(NURSE, nobody)]) {
        let before = place.log_size();
        let reply = receipt(&place, who, name).await;
        expect_refused("not theirs", reply, Code::NotFound, "NOT_FOUND", &[]);
        let looked = place.entries(before);
        assert_eq!((looked.len(), looked[0].entry.kind), (1, Kind::AuditRead));
    }
    // The look itself is nobody's decision: the auditor's own agency alone sees it.
    let look =
        receipt(&place, HOSPITAL_AUDITOR, &name).await.unwrap().into_inner().receipt.unwrap();
    assert_eq!(shown(&place, HOSPITAL_AUDITOR, &look.name).await.leaf.entry.kind, Kind::AuditRead);
    for who in [GP_AUDITOR, NURSE] {
        let reply = receipt(&place, who, &look.name).await;
        expect_refused("a look", reply, Code::NotFound, "NOT_FOUND", &[]);
    }
    for wrong in ["", "disclosures/", "events/1", "entries/0", "disclosures/x", "residents/x"] {
        let reply = receipt(&place, GP_AUDITOR, wrong).await;
        expect_refused(wrong, reply, Code::InvalidArgument, "REQUEST_INVALID", &["name"]);
    }
}

#[tokio::test]
async fn proofs_of_every_size_lead_to_the_roots_on_disk() {
    let place = Place::open().await;
    for _ in 0..9 {
        ask(&place, NURSE, treatment(AISHA)).await;
    }
    let newest = place.log_size();
    let (leaves, roots) = on_disk(&place);
    let at = |size: u64| usize::try_from(size).unwrap();
    let sized = |size: u64| SizedRoot { size, root: roots[at(size)] };
    for size in 1..=newest {
        for index in [0, size / 2, size - 1] {
            let entry = format!("entries/{index}");
            let wanted = pb::GetInclusionProofRequest { entry, tree_size: size };
            let reply = place.audit().get_inclusion_proof(place.from(GP_AUDITOR, wanted)).await;
            let reply = reply.unwrap().into_inner();
            assert_eq!((reply.tree_size, reply.note.is_empty()), (size, size != newest));
            let (leaf, root, path) = (leaves[at(index)], sized(size).root, hashes(reply.hashes));
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        }
        for from in [0, size / 2, size] {
            let wanted = pb::GetConsistencyProofRequest { from_size: from, to_size: size };
            let reply = place.audit().get_consistency_proof(place.from(GP_AUDITOR, wanted)).await;
            let reply = reply.unwrap().into_inner();
            let growth = hashes(reply.hashes);
            assert_eq!(verify_consistency(sized(from), sized(size), &growth), Ok(()));
        }
    }
    // Without a size: under the newest head, which comes along.
    let wanted = pb::GetInclusionProofRequest { entry: "entries/3".to_owned(), tree_size: 0 };
    let reply = place.audit().get_inclusion_proof(place.from(GP_AUDITOR, wanted)).await;
    let reply = reply.unwrap().into_inner();
    let head = key(&place).open(&reply.note).unwrap();
    assert_eq!((head.size, reply.tree_size, head.root), (newest, newest, sized(newest).root));
    let wanted = pb::GetConsistencyProofRequest { from_size: 3, to_size: 0 };
    let reply = place.audit().get_consistency_proof(place.from(GP_AUDITOR, wanted)).await;
    assert_eq!(key(&place).open(&reply.unwrap().into_inner().note).unwrap(), head);
    // Hashes tell nothing of anybody: none of this was recorded.
    assert_eq!(place.log_size(), newest);
}

#[tokio::test]
async fn tiles_are_served_at_every_width_that_is_covered() {
    let place = Place::open().await;
    while place.log_size() < 300 {
        let asked = vec![treatment(AISHA); 60];
        let asked = place.from(NURSE, pb::BatchCanShareRequest { requests: asked });
        place.sharing().batch_can_share(asked).await.unwrap();
    }
    let (leaves, _) = on_disk(&place);
    let rest = leaves.len() - 256;
    let tile = async |level, index, width| {
        let wanted = pb::GetTileRequest { level, index, width };
        let reply = place.audit().get_tile(place.from(GP_AUDITOR, wanted)).await;
        reply.map(|reply| reply.into_inner().hashes)
    };
    let rest_width = u32::try_from(rest).unwrap();
    for (index, width, wanted) in [
        (0, 0, &leaves[..256]),
        (0, 256, &leaves[..256]),
        (0, 7, &leaves[..7]),
        (1, 0, &leaves[256..]),
        (1, rest_width, &leaves[256..]),
        (1, 1, &leaves[256..257]),
    ] {
        assert_eq!(tile(0, index, width).await.unwrap(), wanted.concat(), "{index} {width}");
    }
    let mut edge = Edge::default();
    leaves[..256].iter().for_each(|leaf| edge.push(*leaf));
    assert_eq!(tile(1, 0, 0).await.unwrap(), edge.root());
    for (level, index, width, field) in [
        (0, 1, rest_width + 1, "width"),
        (0, 0, 257, "width"),
        (0, 2, 0, "tile"),
        (0, u64::MAX, 1, "tile"),
        (1, 0, 2, "width"),
        (2, 0, 1, "tile"),
        (8, 0, 1, "level"),
        (u32::MAX, 0, 1, "level"),
    ] {
        let reply = tile(level, index, width).await;
        assert_eq!(reply.as_ref().map_err(Status::code), Err(Code::InvalidArgument));
        expect_refused(
            &format!("{level} {index} {width}"),
            reply.map(Response::new),
            Code::InvalidArgument,
            "REQUEST_INVALID",
            &[field],
        );
    }
}

#[tokio::test]
async fn what_no_head_covers_is_not_proven() {
    let place = Place::open().await;
    ask(&place, NURSE, treatment(AISHA)).await;
    let newest = place.log_size();
    for (entry, tree_size, field) in [
        (format!("entries/{newest}"), 0, "entry"),
        (format!("entries/{}", u64::MAX), newest, "entry"),
        ("entries/2".to_owned(), 2, "entry"),
        ("entries/0".to_owned(), newest + 1, "tree_size"),
        ("entries/0".to_owned(), u64::MAX, "tree_size"),
        ("entries/-1".to_owned(), 0, "entry"),
        (String::new(), 0, "entry"),
    ] {
        let wanted = pb::GetInclusionProofRequest { entry: entry.clone(), tree_size };
        let reply = place.audit().get_inclusion_proof(place.from(GP_AUDITOR, wanted)).await;
        expect_refused(&entry, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
    for (from_size, to_size, field) in [
        (3, 2, "from_size"),
        (newest + 1, 0, "from_size"),
        (u64::MAX, newest, "from_size"),
        (1, newest + 1, "to_size"),
        (0, u64::MAX, "to_size"),
    ] {
        let wanted = pb::GetConsistencyProofRequest { from_size, to_size };
        let reply = place.audit().get_consistency_proof(place.from(GP_AUDITOR, wanted)).await;
        let what = format!("{from_size} to {to_size}");
        expect_refused(&what, reply, Code::InvalidArgument, "REQUEST_INVALID", &[field]);
    }
}
