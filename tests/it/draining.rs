//! The orderly end: health says so first, running calls finish, and nobody who only watches holds it
//! up.

use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use weir::grpc::pb;

use crate::support::{AISHA, BEN, GP_PUBLISHER, Place};

fn header(category: &str) -> pb::PublishRecordsRequest {
    let header = pb::PublishHeader {
        category: category.to_owned(),
        expire_time: crate::support::expire_time(),
        request_id: String::new(),
    };
    pb::PublishRecordsRequest { part: Some(pb::publish_records_request::Part::Header(header)) }
}

fn row(local_id: String, field: &str, text: &str) -> pb::PublishRecordsRequest {
    let values =
        vec![pb::FieldText { field: field.to_owned(), text: text.to_owned(), labels: Vec::new() }];
    let row = pb::PublishRow { local_id, values };
    pb::PublishRecordsRequest { part: Some(pb::publish_records_request::Part::Row(row)) }
}

async fn watch(place: &Place, service: &str) -> tonic::Streaming<HealthCheckResponse> {
    let own = Channel::from_shared(format!("http://{}", place.address)).unwrap();
    let mut client = HealthClient::new(own.connect().await.unwrap());
    let service = service.to_owned();
    client.watch(HealthCheckRequest { service }).await.unwrap().into_inner()
}

#[tokio::test]
async fn health_says_so_and_running_calls_finish() {
    let mut place = Place::open().await;
    let mut watched = Vec::new();
    for service in ["", "weir.hub.v1.SharingService", "weir.hub.v1.RecordService"] {
        let mut watch = watch(&place, service).await;
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving, "{service}");
        watched.push((service, watch));
    }
    let (rows, messages) = tokio::sync::mpsc::channel(4);
    rows.send(header("health/summary")).await.unwrap();
    rows.send(row(AISHA.local_id(), "health/summary.allergies", "latex")).await.unwrap();
    let stream = place.from(GP_PUBLISHER, ReceiverStream::new(messages));
    let mut client = place.records();
    let running = tokio::spawn(async move { client.publish_records(stream).await });
    // An answer on the same connection: the call before it has been taken in.
    let check = HealthCheckRequest::default();
    let checked = HealthClient::new(place.channel.clone()).check(check).await.unwrap();
    assert_eq!(checked.into_inner().status(), ServingStatus::Serving);

    let ended = place.shut_down();
    for (service, watch) in &mut watched {
        let next = watch.next().await.unwrap().unwrap();
        assert_eq!(next.status(), ServingStatus::NotServing, "{service}");
    }
    assert!(!ended.is_finished(), "a call is running");
    rows.send(row(BEN.local_id(), "health/summary.allergies", "latex")).await.unwrap();
    drop(rows);
    let done = running.await.unwrap().unwrap().into_inner();
    assert_eq!(done.stored_count, 2, "what was running was finished");
    for (service, watch) in &mut watched {
        assert!(watch.next().await.is_none(), "{service}: who only watches is let go");
    }
    ended.await.unwrap().unwrap();
    let late = Channel::from_shared(format!("http://{}", place.address)).unwrap();
    assert!(late.connect().await.is_err(), "nobody listens any more");
}
