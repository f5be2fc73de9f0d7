// A program in Node that knows nothing of this hub but its addresses and a key: it loads the descriptors that the hub serves,
// sends a message, reads it back, cancels it, lists it, and is refused once. Prints what it saw as one JSON object.
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const { HUB_HTTP, HUB_GRPC, HUB_KEY } = process.env;

const served = await fetch(`${HUB_HTTP}/descriptor.pb`);
const definition = protoLoader.loadFileDescriptorSetFromBuffer(Buffer.from(await served.arrayBuffer()), {
  keepCase: true,
  longs: Number,
  enums: String,
});
const api = grpc.loadPackageDefinition(definition).messenger_hub.v1;
const services = Object.keys(api).filter((name) => api[name].service).sort();

const connected = [];
const metadata = new grpc.Metadata();
metadata.set("x-api-key", HUB_KEY);

function client(name) {
  const made = new api[name](HUB_GRPC, grpc.credentials.createInsecure());
  connected.push(made);
  return (rpc, request) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 20_000;
      made[rpc](request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
}

const [messages, operations] = [client("MessageService"), client("OperationService")];
const sent = await messages("SendMessage", { mobile: "12025550147", message: "Olá 👋", reference: "from-node" });
const found = await operations("GetOperation", { operation_id: sent.message_id });
const cancelled = await operations("CancelOperation", { operation_id: sent.message_id });
const listed = await operations("ListOperations", { reference: "from-node" });
const refused = await messages("SendMessage", {}).catch((error) => ({
  code: grpc.status[error.code],
  details: error.details,
  rich: error.metadata.get("grpc-status-details-bin").length,
}));
for (const one of connected) one.close();

console.log(JSON.stringify({ services, sent, found, cancelled, listed, refused }));
