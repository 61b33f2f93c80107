// Package argocd runs our plugin under Argo CD's own servers. All of it is tests.
package argocd
