-- Let an id of this bucket lead to another, where what it names is.
point(P.id, P.bucket)
return { 'pointed' }
