package store

// Classify gives an error of a query through [DB.Read] the meaning that errors
// of View and Update have already: [ErrFull], [ErrDamaged], a conflict. Other
// errors, and nil, stay as they are.
func Classify(err error) error { return classify(err) }
