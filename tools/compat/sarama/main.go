// What Go's sarama does with a broker: `main OPERATION HOST:PORT NAME VERSION`, with topics and groups called NAME..., speaking as its
// setting of the version has it. Ends with 1 and a sentence where something is not as it was sent.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
)

const (
	records  = 50
	patience = 30 * time.Second
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "versions" {
		fmt.Println(sarama.MinVersion, sarama.MaxVersion)
		return
	}
	operation, bootstrap, name := os.Args[1], []string{os.Args[2]}, os.Args[3]
	version, err := sarama.ParseKafkaVersion(os.Args[4])
	if err == nil {
		err = operations[operation](bootstrap, name, version)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type operation = func(bootstrap []string, name string, version sarama.KafkaVersion) error

var operations = map[string]operation{
	"records":      everyCodec,
	"group":        group,
	"admin":        administer,
	"transactions": transactions,
}

func configOf(version sarama.KafkaVersion) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = version
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func text(codec fmt.Stringer, n int) string { return fmt.Sprintf("%s value %d", codec, n) }

// everyCodec writes with each codec that the version has, and reads it all back.
func everyCodec(bootstrap []string, name string, version sarama.KafkaVersion) error {
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy}
	if version.IsAtLeast(sarama.V0_10_0_0) {
		codecs = append(codecs, sarama.CompressionLZ4)
	}
	if version.IsAtLeast(sarama.V2_1_0_0) {
		codecs = append(codecs, sarama.CompressionZSTD)
	}
	for _, codec := range codecs {
		topic := fmt.Sprintf("%s-%s", name, codec)
		config := configOf(version)
		config.Producer.Compression = codec
		config.Producer.Flush.Messages = 10
		config.Producer.Flush.Frequency = 10 * time.Millisecond
		if version.IsAtLeast(sarama.V0_11_0_0) {
			config.Producer.Idempotent = true
			config.Net.MaxOpenRequests = 1
		}
		if err := produce(bootstrap, topic, codec, config); err != nil {
			return fmt.Errorf("writing with %s: %w", codec, err)
		}
		if err := consume(bootstrap, topic, codec, config); err != nil {
			return fmt.Errorf("reading what was written with %s: %w", codec, err)
		}
	}
	return nil
}

func produce(bootstrap []string, topic string, codec sarama.CompressionCodec, config *sarama.Config) error {
	producer, err := sarama.NewSyncProducer(bootstrap, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for n := 0; n < records; n++ {
		message := &sarama.ProducerMessage{
			Topic: topic, Partition: 0,
			Key: sarama.StringEncoder(fmt.Sprint(n)), Value: sarama.StringEncoder(text(codec, n)),
		}
		if config.Version.IsAtLeast(sarama.V0_11_0_0) {
			message.Headers = []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(fmt.Sprint(n))}}
		}
		messages = append(messages, message)
	}
	return producer.SendMessages(messages)
}

// consume reads all partitions: which of them a key belongs to is the producer's business.
func consume(bootstrap []string, topic string, codec sarama.CompressionCodec, config *sarama.Config) error {
	consumer, err := sarama.NewConsumer(bootstrap, config)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partitions, err := consumer.Partitions(topic)
	if err != nil {
		return err
	}
	read := make(chan *sarama.ConsumerMessage, records)
	failed := make(chan error, len(partitions))
	for _, partition := range partitions {
		from, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer from.AsyncClose()
		go func() {
			for {
				select {
				case message, isOpen := <-from.Messages():
					if !isOpen {
						return
					}
					read <- message
				case err := <-from.Errors():
					if err != nil {
						failed <- err
					}
					return
				}
			}
		}()
	}
	seen := map[string]bool{}
	late := time.After(patience)
	for len(seen) < records {
		select {
		case message := <-read:
			key := string(message.Key)
			var n int
			if _, err := fmt.Sscan(key, &n); err != nil {
				return err
			}
			if string(message.Value) != text(codec, n) {
				return fmt.Errorf("key %s has value %q", key, message.Value)
			}
			if config.Version.IsAtLeast(sarama.V0_11_0_0) && (len(message.Headers) != 1 || string(message.Headers[0].Value) != key) {
				return fmt.Errorf("key %s has headers %v", key, message.Headers)
			}
			if config.Version.IsAtLeast(sarama.V0_10_0_0) && time.Since(message.Timestamp).Abs() > time.Hour {
				return fmt.Errorf("key %s has timestamp %s", key, message.Timestamp)
			}
			seen[key] = true
		case err := <-failed:
			return err
		case <-late:
			return fmt.Errorf("only %d of %d records came", len(seen), records)
		}
	}
	return nil
}

type member struct {
	codec sarama.CompressionCodec
	count int
	limit int
	done  context.CancelFunc
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		m.count++
		session.MarkMessage(message, "")
		if m.count == m.limit {
			session.Commit()
			m.done()
			return nil
		}
	}
	return nil
}

// group reads half of a topic as a member of a group, leaves, and has the next one go on where it was.
func group(bootstrap []string, name string, version sarama.KafkaVersion) error {
	config := configOf(version)
	topic := name + "-once"
	if err := makeTopic(bootstrap, topic, 1, config); err != nil {
		return err
	}
	if err := produce(bootstrap, topic, sarama.CompressionNone, config); err != nil {
		return err
	}
	for _, share := range []int{records / 2, records - records/2} {
		reader, err := sarama.NewConsumerGroup(bootstrap, name, config)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		one := &member{limit: share, done: cancel}
		if err := reader.Consume(ctx, []string{topic}, one); err != nil {
			return err
		}
		if err := reader.Close(); err != nil {
			return err
		}
		if one.count != share {
			return fmt.Errorf("a member read %d records instead of %d", one.count, share)
		}
	}
	client, err := sarama.NewClient(bootstrap, config)
	if err != nil {
		return err
	}
	defer client.Close()
	manager, err := sarama.NewOffsetManagerFromClient(name, client)
	if err != nil {
		return err
	}
	defer manager.Close()
	partition, err := manager.ManagePartition(topic, 0)
	if err != nil {
		return err
	}
	defer partition.Close()
	if offset, _ := partition.NextOffset(); offset != records {
		return fmt.Errorf("the group's offset is %d instead of %d", offset, records)
	}
	return nil
}

func makeTopic(bootstrap []string, topic string, partitions int32, config *sarama.Config) error {
	admin, err := sarama.NewClusterAdmin(bootstrap, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

// administer creates, extends, configures, empties and deletes a topic, and looks at the cluster.
func administer(bootstrap []string, name string, version sarama.KafkaVersion) error {
	config := configOf(version)
	admin, err := sarama.NewClusterAdmin(bootstrap, config)
	if err != nil {
		return err
	}
	defer admin.Close()
	topic := name + "-made"
	value := "60000"
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &value}}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return fmt.Errorf("CreateTopic: %w", err)
	}
	if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("CreateTopic of a topic that exists: %w", err)
	}
	if err := admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return fmt.Errorf("CreatePartitions: %w", err)
	}
	resource := sarama.ConfigResource{Type: sarama.TopicResource, Name: topic}
	entries, err := admin.DescribeConfig(resource)
	if err != nil {
		return fmt.Errorf("DescribeConfig: %w", err)
	}
	if found := entryOf(entries, "retention.ms"); found != value {
		return fmt.Errorf("retention.ms is %q", found)
	}
	other := "70000"
	if err := admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &other}, false); err != nil {
		return fmt.Errorf("AlterConfig: %w", err)
	}
	if version.IsAtLeast(sarama.V2_3_0_0) {
		change := map[string]sarama.IncrementalAlterConfigsEntry{"segment.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &other}}
		if err := admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false); err != nil {
			return fmt.Errorf("IncrementalAlterConfig: %w", err)
		}
	}
	topics, err := admin.ListTopics()
	if err != nil {
		return fmt.Errorf("ListTopics: %w", err)
	}
	if topics[topic].NumPartitions != 3 {
		return fmt.Errorf("ListTopics has %v", topics[topic])
	}
	if err := produce(bootstrap, topic, sarama.CompressionNone, config); err != nil {
		return err
	}
	if err := admin.DeleteRecords(topic, map[int32]int64{0: 0}); err != nil {
		return fmt.Errorf("DeleteRecords: %w", err)
	}
	if _, _, err := admin.DescribeCluster(); err != nil {
		return fmt.Errorf("DescribeCluster: %w", err)
	}
	if _, err := admin.ListConsumerGroups(); err != nil {
		return fmt.Errorf("ListConsumerGroups: %w", err)
	}
	described, err := admin.DescribeConsumerGroups([]string{name})
	if err != nil || len(described) != 1 {
		return fmt.Errorf("DescribeConsumerGroups: %v %w", described, err)
	}
	if _, err := admin.DescribeLogDirs([]int32{1}); err != nil {
		return fmt.Errorf("DescribeLogDirs: %w", err)
	}
	if err := admin.DeleteTopic(topic); err != nil {
		return fmt.Errorf("DeleteTopic: %w", err)
	}
	return nil
}

func entryOf(entries []sarama.ConfigEntry, name string) string {
	for _, entry := range entries {
		if entry.Name == name {
			return entry.Value
		}
	}
	return ""
}

// transactions commits one and aborts another; who reads what is committed sees the first alone.
func transactions(bootstrap []string, name string, version sarama.KafkaVersion) error {
	config := configOf(version)
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = name
	config.Net.MaxOpenRequests = 1
	topic := name + "-transactions"
	if err := makeTopic(bootstrap, topic, 1, config); err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(bootstrap, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	send := func(value string, end func() error) error {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		if _, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}); err != nil {
			return err
		}
		return end()
	}
	if err := send("aborted", producer.AbortTxn); err != nil {
		return fmt.Errorf("aborting: %w", err)
	}
	if err := send("committed", producer.CommitTxn); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	reading := configOf(version)
	reading.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(bootstrap, reading)
	if err != nil {
		return err
	}
	defer consumer.Close()
	from, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer from.AsyncClose()
	select {
	case message := <-from.Messages():
		if string(message.Value) != "committed" {
			return fmt.Errorf("the first record that is read is %q", message.Value)
		}
		return nil
	case err := <-from.Errors():
		return err
	case <-time.After(patience):
		return errors.New("no record came")
	}
}
