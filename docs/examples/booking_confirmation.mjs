// A booking system confirms a table, and saves the guest as a contact so that the staff sees a name when the guest answers.
const hub = `${process.env.MESSENGER_HUB_URL}/api/whatsapp-session`;

async function call(path, body, idempotencyKey) {
  const response = await fetch(`${hub}${path}`, {
    method: 'POST',
    headers: {
      'X-API-Key': process.env.MESSENGER_HUB_KEY,
      'Content-Type': 'application/json',
      'Idempotency-Key': idempotencyKey,
    },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!answer.success) throw new Error(`${answer.message} ${JSON.stringify(answer.errors ?? {})}`);
  return answer.data;
}

const booking = { id: 77, guest: 'Chiara Rossi', phone: '+1 202 555 0113', when: 'Friday 19:30', people: 4 };

await call('/save-contact', { contact_id: booking.phone, name: booking.guest }, `booking-${booking.id}-contact`);
const { message_id: id } = await call('/send', {
  mobile: booking.phone,
  message: `Your table for ${booking.people} is booked: ${booking.when}. See you!`,
  reference: `booking-${booking.id}`,
  priority: 'high',
}, `booking-${booking.id}-confirmation`);
console.log(`booking ${booking.id}: message ${id}`);
