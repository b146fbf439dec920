package store

import "errors"

// Classify gives an error of a query through [DB.Read] the meaning that errors
// of View and Update have already: [ErrFull], [ErrDamaged], a conflict. Other
// errors, and nil, stay as they are.
func Classify(err error) error {
	if errors.Is(err, ErrFull) || errors.Is(err, ErrDamaged) {
		return err
	}
	return classify(err)
}
