package escrow

import (
	"strings"

	"filippo.io/age"

	"go.calms.com/calms/pkg/calms"
)

// parse reads public keys, one per element; blank elements and comments are
// skipped, anything else that is no key is an error: a key that was meant and
// silently left out would be missed on the day of the restore.
func parse(people []string) (keys []string, recipients []age.Recipient, err error) {
	for i, text := range people {
		key := strings.TrimSpace(text)
		if key == "" || strings.HasPrefix(key, "#") {
			continue
		}
		parsed, err := age.ParseRecipients(strings.NewReader(key))
		if err != nil || len(parsed) != 1 {
			return nil, nil, notARecipient(i, key)
		}
		keys = append(keys, key)
		recipients = append(recipients, parsed[0])
	}
	if len(recipients) == 0 {
		return nil, nil, calms.Errorf(calms.KindInvalid, "no recipient: nobody could ever restore").
			WithHint("age-keygen -o key.txt makes an identity and prints its public key, which is the recipient")
	}
	return keys, recipients, nil
}

func notARecipient(i int, key string) error {
	// A private key pasted by mistake must not travel on in an error.
	if strings.HasPrefix(strings.ToUpper(key), "AGE-SECRET-KEY-") {
		return calms.Errorf(calms.KindInvalid, "recipient %d is a private key", i+1).
			WithHint("age-keygen -y key.txt prints the public key; make a new identity if this one was seen by others")
	}
	err := calms.Errorf(calms.KindInvalid, "recipient %d, %.40q, is not an age public key (age1…)", i+1, key)
	if strings.HasPrefix(key, "ssh-") {
		return err.WithHint("SSH keys are not accepted; age-keygen -o key.txt makes an age identity")
	}
	return err.WithHint("age-keygen -y key.txt prints the public key of an identity file")
}
