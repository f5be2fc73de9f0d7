<?php
// A shop tells the customer that the parcel is on its way.
$order = ['id' => 1042, 'phone' => '+1 202 555 0114', 'carrier' => 'the postal service'];

$body = json_encode([
    'mobile' => $order['phone'],
    'message' => "Your order {$order['id']} is on its way with {$order['carrier']}.",
    'reference' => "order-{$order['id']}",
], JSON_UNESCAPED_UNICODE);

$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [
        'X-API-Key: ' . getenv('MESSENGER_HUB_KEY'),
        'Content-Type: application/json',
        "Idempotency-Key: order-{$order['id']}-shipped",
    ],
    'content' => $body,
    'ignore_errors' => true,
]]);
$answer = json_decode(file_get_contents(getenv('MESSENGER_HUB_URL') . '/api/whatsapp-session/send', false, $context), true);
if (!$answer['success']) {
    fwrite(STDERR, $answer['message'] . "\n");
    exit(1);
}
echo "order {$order['id']}: message {$answer['data']['message_id']}\n";
