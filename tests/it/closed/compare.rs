//! What two calls leave behind, without what must differ between any two.

use std::collections::BTreeMap;

use tonic::{Code, Response, Status};
use weir::audit::entry::{Facet, Kind};
use weir::grpc::pb;

use crate::support::{Inhabitant, Logged};

/// Puts out what must differ between any two calls, after a look at its shape.
pub(super) trait PutOut: prost::Message {
    fn put_out(&mut self);
}

fn receipt(receipt: &mut Option<pb::Receipt>) {
    let found = receipt.as_ref().unwrap();
    assert_eq!((found.leaf_hash.len(), found.root_hash.len()), (32, 32));
    let (collection, event) = found.name.split_once('/').unwrap();
    assert_eq!(event.len(), 36);
    assert!(found.entry.starts_with("entries/") && found.tree_size > 0);
    *receipt = Some(pb::Receipt { name: collection.to_owned(), ..Default::default() });
}

macro_rules! put_out {
    ($($reply:ident: |$this:ident| $what:expr;)*) => {
        $(impl PutOut for pb::$reply {
            fn put_out(&mut self) {
                let $this = self;
                $what
            }
        })*
    };
}

put_out! {
    RequestRecordsResponse: |this| this.answers.iter_mut().for_each(|a| receipt(&mut a.receipt));
    CanShareResponse: |this| this.answer.iter_mut().for_each(|a| receipt(&mut a.receipt));
    BatchCanShareResponse: |this| this.answers.iter_mut().for_each(|a| receipt(&mut a.receipt));
    FindResidentResponse: |this| receipt(&mut this.receipt);
    ListChoicesResponse: |this| receipt(&mut this.receipt);
    RecordConsentResponse: |this| receipt(&mut this.receipt);
    WithdrawConsentResponse: |this| receipt(&mut this.receipt);
    RecordObjectionResponse: |this| receipt(&mut this.receipt);
    SetRestrictionResponse: |this| receipt(&mut this.receipt);
    LinkIdentityResponse: |this| receipt(&mut this.receipt);
    GetDisclosureResponse: |this| {
        receipt(&mut this.receipt);
        let told = this.disclosure.as_mut().unwrap();
        told.name.truncate("disclosures/".len());
        told.entry.truncate("entries/".len());
    };
    GetEntryResponse: |this| {
        receipt(&mut this.receipt);
        entry(this.entry.as_mut().unwrap());
    };
    SearchEntriesResponse: |this| {
        receipt(&mut this.receipt);
        this.log_size = 0;
        this.entries.iter_mut().for_each(entry);
    };
    GrantProxyResponse: |this| {
        this.proxy.clear();
        receipt(&mut this.receipt);
    };
    EndProxyResponse: |this| receipt(&mut this.receipt);
    ListProxiesResponse: |this| receipt(&mut this.receipt);
}

fn entry(entry: &mut pb::AuditEntry) {
    entry.name.truncate("entries/".len());
    (entry.event, entry.call) = (String::new(), String::new());
    // A map has no order of its own on the wire.
    let facets = std::mem::take(&mut entry.facets).into_iter().collect::<BTreeMap<_, _>>();
    entry.rpc = format!("{} {facets:?}", entry.rpc);
}

/// Everything that came back, with the resident's own name put out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) details: Vec<u8>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

fn without(bytes: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let all: Vec<usize> = (0..bytes.len().saturating_sub(name.len() - 1))
        .filter(|at| bytes[*at..].starts_with(name.as_bytes()))
        .collect();
    for at in all {
        bytes[at..at + name.len()].fill(b'#');
    }
    bytes
}

pub(super) fn said<T: PutOut>(reply: Result<Response<T>, Status>, about: Inhabitant) -> Said {
    let headers = |metadata: tonic::metadata::MetadataMap| {
        let mut all: Vec<(String, Vec<u8>)> = metadata
            .into_headers()
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect();
        all.sort();
        all
    };
    match reply {
        Ok(reply) => {
            let (metadata, mut message, _) = reply.into_parts();
            message.put_out();
            let id = about.resident().uuid().to_string();
            Said {
                code: Code::Ok,
                message: String::new(),
                details: Vec::new(),
                headers: headers(metadata),
                body: without(&message.encode_to_vec(), &id),
            }
        }
        Err(status) => Said {
            code: status.code(),
            message: status.message().to_owned(),
            details: status.details().to_vec(),
            headers: headers(status.metadata().clone()),
            body: Vec::new(),
        },
    }
}

/// What a reader of the log's headers, or of its file's sizes, can tell of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Left {
    kind: Kind,
    rpc: String,
    parts: (u32, u32),
    agency: Option<String>,
    principal: [u8; 16],
    policy: [u8; 32],
    facets: BTreeMap<Facet, String>,
    leaf_len: usize,
    pub(super) slot_lens: BTreeMap<u8, usize>,
}

pub(super) fn left(logged: Vec<Logged>) -> Vec<Left> {
    let left = |logged: Logged| Left {
        kind: logged.entry.kind,
        rpc: logged.entry.rpc,
        parts: (logged.entry.part, logged.entry.parts),
        agency: logged.entry.agency.map(|agency| agency.to_string()),
        principal: logged.entry.principal,
        policy: logged.entry.policy,
        facets: logged.entry.facets,
        leaf_len: logged.leaf_len,
        slot_lens: logged.sealed.iter().map(|(slot, bytes)| (*slot, bytes.len())).collect(),
    };
    logged.into_iter().map(left).collect()
}
