"""A partner's client in Python: asks one question and prints the answer. Arguments: proto folder, folder for the
generated code, address, token, resident."""

import subprocess
import sys
from pathlib import Path

import grpc


def main() -> int:
    protos, out, address, token, resident = sys.argv[1:]
    files = sorted(str(path) for path in Path(protos).rglob("*.proto"))
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"--python_out={out}", f"--grpc_python_out={out}", *files],
        check=True,
    )
    sys.path.insert(0, out)
    from weir.hub.v1 import common_pb2, sharing_pb2, sharing_pb2_grpc

    channel = grpc.insecure_channel(address)
    stub = sharing_pb2_grpc.SharingServiceStub(channel)
    request = sharing_pb2.RequestRecordsRequest(
        residents=[resident],
        holders=["agencies/oakdale-gp"],
        purpose="direct_care",
        fields=["health/summary.allergies"],
        reason="Ward round this morning",
        case_reference="W-1",
    )
    metadata = [("authorization", "Bearer " + token)]
    answer = stub.RequestRecords(request, metadata=metadata, timeout=10).answers[0]
    print("outcome", common_pb2.Outcome.Name(answer.decision.outcome))
    print("fields", ",".join(value.field for value in answer.values))
    print("receipt", answer.receipt.name.startswith("disclosures/"), len(answer.receipt.root_hash))

    twice = metadata + metadata
    for what, headers in [("without", []), ("forged", [("authorization", "Bearer a.b.c")]), ("twice", twice)]:
        try:
            stub.RequestRecords(request, metadata=headers, timeout=10)
            print(what, "ANSWERED")
        except grpc.RpcError as error:
            print(what, error.code().name)
    request.purpose = ""
    try:
        stub.RequestRecords(request, metadata=metadata, timeout=10)
        print("purposeless ANSWERED")
    except grpc.RpcError as error:
        print("purposeless", error.code().name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
