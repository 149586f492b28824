// Package events reads what object stores and brokers send when an object was
// written, in whatever envelope it comes, and says which objects are meant.
//
//	notice, err := events.Parse(request.Header, body)
//	for _, o := range notice.Objects { … o.Bucket, o.Key … }
//
// It knows notifications of S3, MinIO and Ceph, plain or wrapped by SNS, SQS and
// EventBridge; CloudEvents in structured, batched and binary mode, among them those
// of Google Cloud Storage, Azure Storage and Eventarc; Pub/Sub push; Event Grid.
//
// An event is a hint that something may be there, from somebody who may be lying
// about it. What it says of size and content is not looked at, a URL in it is never
// followed, and objects are read only out of buckets that the configuration names
// (see [Allowed]), from where the configuration says that they lie.
package events
